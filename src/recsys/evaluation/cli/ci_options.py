"""Options of ``run`` that are for pipelines: a baseline, a history, and what a job shows of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsys.evaluation.cli import outputs

if TYPE_CHECKING:
    from recsys.contracts.report import Report

Baseline = Annotated[
    Path | None,
    typer.Option(help="report.json of an earlier run: compare with it, and judge the gates of the YAML by it."),
]
History = Annotated[Path | None, typer.Option(help="Folder in which to keep the report, beside those of other runs.")]
JUnit = Annotated[Path | None, typer.Option("--junit", help="JUnit XML to write: a test case for each check.")]
StepSummary = Annotated[
    str | None,
    typer.Option(
        help="File to which the Markdown report is appended; `env` is the one that GITHUB_STEP_SUMMARY names."
    ),
]
FROM_ENVIRONMENT = "env"
SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"


def read_baseline(path: Path | None, mode: str) -> Report | None:
    """The report to compare with; UsageError in another mode than offline, which has none."""
    from recsys.errors import UsageError
    from recsys.evaluation import report_files

    if path is None:
        return None
    if mode != "offline":
        raise UsageError("only an offline run has a baseline", where="--baseline", found=f"mode {mode}")
    return report_files.read_offline(path)


def check(told: Mapping[str, Any], inputs: Sequence[Path | str | None] = ()) -> Path | None:
    """Before the work begins, of the options ``told`` by name: StorageError or UsageError where something could not be
    written, or would destroy what is read or kept. The file of the step summary."""
    history = told["history"]
    if history is not None:
        from recsys.evaluation import history as kept

        kept.check(history)
    named = _summary(told["step_summary"])
    options = ("config", "dataset", "items", "baseline")
    read = [*(told[option] for option in options), *(told["from_moments"] or []), *inputs]
    outputs.check(written(told, named), read, history)
    return named


def written(told: Mapping[str, Any], summary: Path | None) -> list[outputs.Named]:
    """All files that are asked for."""
    return [
        *outputs.named("--output", told["output"] or []),
        *outputs.named("--moments", [told["moments"]]),
        *outputs.named("--junit", [told["junit"]]),
        *outputs.named("--step-summary", [summary]),
    ]


def _summary(wanted: str | None) -> Path | None:
    import os

    from recsys.errors import UsageError

    if wanted != FROM_ENVIRONMENT:
        return None if wanted is None else Path(wanted)
    named = os.environ.get(SUMMARY_VARIABLE)
    if not named:
        hint = "Name a file: --step-summary summary.md"
        raise UsageError(
            "there is no step summary here", where="--step-summary", found=f"no {SUMMARY_VARIABLE}", hint=hint
        )
    return Path(named)


def write(report: Report, history: Path | None, junit: Path | None, summary: Path | None) -> None:
    """All that is asked for; StorageError where it would go into a log that was read."""
    if history is None and junit is None and summary is None:
        return
    from recsys.evaluation import history as kept
    from recsys.evaluation import junit as xml
    from recsys.evaluation import step_summary
    from recsys.evaluation.checks import checks
    from recsys.evaluation.render import text, write
    from recsys.eventlog.whole import check_output

    for option, path in (("--junit", junit), ("--step-summary", summary)):
        if path is not None:
            check_output(path, [named.path for named in report.inputs], option=option)
    if history is not None:
        kept.keep(report, history)
    if junit is not None:
        write(xml.render(checks(report), report), junit)
    if summary is not None:
        step_summary.append(text(report, "markdown"), summary)

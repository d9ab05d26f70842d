"""Options of ``run`` for experiments whose users are looked at in parts: sums out, and sums in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsys.evaluation.cli import ci_options, experiment_options, options

if TYPE_CHECKING:
    from recsys.evaluation.config import EvaluationConfig
    from recsys.evaluation.evaluate import Evaluation, Sharing

PANEL = "Experiments in parts (mode experiment)"
Moments = Annotated[
    Path | None,
    typer.Option(
        "--moments", help="moments.v1 to write: sums over users that add up with those of others, and no rows.",
        rich_help_panel=PANEL,
    ),
]  # fmt: skip
Shard = Annotated[
    str | None,
    typer.Option(
        help="Look at one part of the users only, such as 2/5, by a hash of their ids.", rich_help_panel=PANEL
    ),
]
FromMoments = Annotated[
    list[Path] | None,
    typer.Option(
        "--from-moments", help="moments.v1 to conclude from, in place of logs; repeated for each part.",
        rich_help_panel=PANEL,
    ),
]  # fmt: skip
WITHOUT_USE = (
    "exposures", "outcomes", "assignments", "dataset", "items", "slice_key", "moments", "shard", "baseline", "engine",
    "master", "memory_limit", "threads",
)  # fmt: skip
"""Options that change nothing where sums are all that there is."""


def sharing(mode: str, shard: str | None, moments: Path | None) -> Sharing:
    """Which part is looked at, and whether moments are made; UsageError where the mode has none."""
    from recsys.attribution import shards
    from recsys.errors import UsageError
    from recsys.evaluation.evaluate import Sharing

    for option, value in (("--moments", moments), ("--shard", shard)):
        if value is not None and mode != "experiment":
            hint = "Give --mode experiment, or leave it out."
            raise UsageError(f"{option} is about an experiment", found=f"mode {mode}", hint=hint)
    return Sharing(None if shard is None else shards.read(shard, "--shard"), moments is not None)


def write(done: Evaluation, path: Path | None) -> None:
    """Write the moments where they were asked for."""
    if path is None or done.moments is None:
        return
    from recsys.evaluation.experiment import moments_files
    from recsys.eventlog.whole import check_output

    check_output(path, [named.path for named in done.report.inputs], option="--moments")
    moments_files.write(done.moments, path)


def conclude(told: Mapping[str, Any]) -> int:
    """``run --from-moments``: what the options ask for, ``told`` by name."""
    from datetime import UTC, datetime

    from recsys.evaluation import render
    from recsys.evaluation.cli import telling
    from recsys.evaluation.experiment import moments_files, moments_run

    _check_options(told)
    outputs, form = told["output"] or [], told["output_format"]
    printed = render.format_of(Path("report.md"), form)
    forms = [render.format_of(path, form) for path in outputs]
    summary = ci_options.check(told)
    files = moments_files.read(told["from_moments"])
    config = _config(told, files)
    report = moments_run.evaluate(files, config, datetime.now(UTC))
    for path, own in zip(outputs, forms, strict=True):
        render.write(render.text(report, own), path)
    ci_options.write(report, told["history"], told["junit"], summary)
    telling.tell(report, [], written=bool(outputs), form=printed)
    return options.STATUS[report.summary.status]


def _check_options(told: Mapping[str, Any]) -> None:
    from recsys.errors import UsageError

    for name in WITHOUT_USE:
        if told[name] is not None:
            option = f"--{name.replace('_', '-')}"
            hint = "Moments are sums that were made with all of that: give it when they are made."
            raise UsageError(f"--from-moments and {option} together", where=option, hint=hint)


def _config(told: Mapping[str, Any], files: list) -> EvaluationConfig:
    """That of the moments. What is given beside it may repeat it, and not contradict it."""
    from msgspec.structs import replace

    from recsys.errors import UsageError
    from recsys.evaluation import config as configs
    from recsys.evaluation.experiment import moments_files, moments_run

    own = moments_run.config_of(files)
    chosen = own if told["config"] is None else configs.read(told["config"])
    if told["mode"] is not None or told["config"] is not None:
        chosen = replace(chosen, mode=configs.mode(told["mode"] or chosen.mode, "--mode"))
    chosen = experiment_options.applied(chosen, **{key: told[key] for key in experiment_options.NAMES})
    for key, before, after in moments_files.differences(own.effective(), chosen.effective()):
        raise UsageError(
            f"the moments were made with another {key}", where=key, found=str(after), expected=str(before),
            hint="Make them again with it, or leave it out here.",
        )  # fmt: skip
    return own

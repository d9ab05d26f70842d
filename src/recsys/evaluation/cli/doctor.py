"""``recsys-eval doctor``: what is wrong with the logs, since when, and how to mend it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsys import console
from recsys.evaluation.cli import engine_options, options

if TYPE_CHECKING:
    from recsys.attribution.policy import Policy
    from recsys.attribution.sources import Dataset
    from recsys.contracts.diagnosis import Diagnosis

STATUS = {"clean": 0, "warnings": 2, "serious": 3}


def doctor(
    exposures: options.Exposures = None,
    outcomes: options.Outcomes = None,
    assignments: options.Assignments = None,
    dataset: options.DatasetFile = None,
    config: Annotated[
        str | None, typer.Option(help="Evaluation YAML, of which the attribution policy is taken.")
    ] = None,
    thresholds: Annotated[
        str | None, typer.Option(help="YAML with limits of detectors; see --list for their names.")
    ] = None,
    baseline: Annotated[str | None, typer.Option(help="An earlier diagnosis (JSON) to compare with.")] = None,
    engine: engine_options.Engine = None,
    master: engine_options.Master = None,
    memory_limit: engine_options.MemoryLimit = None,
    threads: engine_options.Threads = None,
    now: Annotated[
        str | None, typer.Option(help="The instant that counts as now, such as 2026-02-05T10:00:00Z [the clock].")
    ] = None,
    output: Annotated[
        list[Path] | None, typer.Option(help="Diagnosis to write: .json, .md or .html; may be repeated.")
    ] = None,
    output_format: Annotated[
        str | None, typer.Option(help="json, markdown or html, in place of what the suffix says.")
    ] = None,
    list_detectors: Annotated[
        bool, typer.Option("--list", help="Print all detectors and their limits, as YAML for --thresholds.")
    ] = False,
    format: options.OutputFormat = options.Format.TEXT,
) -> int:
    """Look for the causes of wrong figures in the logs: each with its evidence, its effect and its fix.

    Exits 0 with a clean bill, 2 with warnings, 3 with a serious finding, 1 when it failed.

    **Examples**

        recsys-eval doctor --exposures exposures.jsonl --outcomes outcomes.jsonl
        recsys-eval doctor --dataset logs.yaml --output diagnosis.html --output diagnosis.json
        recsys-eval doctor --dataset logs.yaml --baseline diagnosis.json
        recsys-eval doctor --list > thresholds.yaml
    """
    from recsys.attribution import sources
    from recsys.attribution.doctor import baseline as baselines
    from recsys.attribution.doctor import limits
    from recsys.attribution.doctor.detectors import DETECTORS

    if list_detectors:
        sys.stdout.write(limits.written(DETECTORS))
        return 0
    wanted = _forms(output or [], output_format)
    computed = engine_options.chosen(engine, master, memory_limit, threads)
    earlier = None if baseline is None else baselines.read(baseline)
    named = sources.from_options(exposures, outcomes, assignments, dataset)
    found = _diagnosed(named, policy=_policy(config), thresholds=thresholds, now=_now(now), engine=computed)
    if earlier is not None:
        found = baselines.compared(found, earlier)
    _write(found, wanted)
    _print(found, format)
    return STATUS[found.bill.status]


def _diagnosed(named: Dataset, **options: Any) -> Diagnosis:
    from recsys.attribution.doctor.diagnose import diagnose

    with console.progress("checking") as on_progress, console.progress("looking") as on_look:
        return diagnose(named, **options, on_progress=on_progress, on_look=on_look)


def _forms(output: list[Path], output_format: str | None) -> dict[Path, str]:
    from recsys.evaluation import render
    from recsys.eventlog.whole import check_output

    for path in output:
        check_output(path)
    return {path: render.format_of(path, output_format) for path in output}


def _write(found: Diagnosis, wanted: Mapping[Path, str]) -> None:
    from recsys.evaluation import render
    from recsys.eventlog.whole import check_output

    for path, form in wanted.items():
        check_output(path, [part.path for part in found.inputs])
        render.write(render.told(found, form), path)


def _policy(config: str | None) -> Policy:
    from recsys.attribution.policy import Policy
    from recsys.evaluation import config as configs

    return Policy() if config is None else configs.read(config).attribution


def _now(text: str | None) -> datetime:
    from recsys.errors import UsageError

    if text is None:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text.upper().replace("Z", "+00:00"))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise UsageError("not an instant", where="--now", found=text, expected="one such as 2026-02-05T10:00:00Z")
    return moment.astimezone(UTC)


def _print(found: Diagnosis, form: options.Format) -> None:
    from recsys.evaluation.render import diagnosis_text, json

    sys.stdout.write(json.render(found) if form is options.Format.JSON else diagnosis_text.render(found))

"""``recsys-eval run``: from logs to reports."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Annotated, Any

import typer

from recsys import console
from recsys.evaluation.cli import (
    ci_options,
    engine_options,
    experiment_options,
    moments_options,
    options,
    outputs,
    telling,
)


def run(
    exposures: options.Exposures = None,
    outcomes: options.Outcomes = None,
    assignments: options.Assignments = None,
    dataset: options.DatasetFile = None,
    items: Annotated[str | None, typer.Option(help="Catalogue: JSONL or Parquet with item_id and tags.")] = None,
    config: Annotated[str | None, typer.Option(help="Evaluation YAML; without it the default pack is used.")] = None,
    mode: Annotated[str | None, typer.Option(help="offline, experiment or aa-check; overrides the YAML.")] = None,
    experiment_id: experiment_options.ExperimentId = None,
    control: experiment_options.Control = None,
    candidate: experiment_options.Candidates = None,
    as_of: experiment_options.AsOf = None,
    output: Annotated[
        list[Path] | None, typer.Option(help="Report to write: .json, .md or .html; may be repeated.")
    ] = None,
    output_format: Annotated[
        str | None, typer.Option(help="json, markdown or html, in place of what the suffix says.")
    ] = None,
    slice_key: options.SliceKeys = None,
    moments: moments_options.Moments = None,
    shard: moments_options.Shard = None,
    from_moments: moments_options.FromMoments = None,
    baseline: ci_options.Baseline = None,
    history: ci_options.History = None,
    junit: ci_options.JUnit = None,
    step_summary: ci_options.StepSummary = None,
    engine: engine_options.Engine = None,
    master: engine_options.Master = None,
    memory_limit: engine_options.MemoryLimit = None,
    threads: engine_options.Threads = None,
) -> int:
    """Validate and join the logs, compute metrics with intervals, and write reports.

    Exits 0 when the figures can be relied on, and gates pass, or the decision is ship; 2 (hold) when they cannot, such
    as on empty data, when a gate is not decided, or the decision is hold; 3 when a gate fails, or a candidate does
    harm (rollback); 1 when the command failed.

    **Examples**

        recsys-eval run --mode offline --exposures exposures.jsonl --outcomes outcomes.jsonl --output report.html
        recsys-eval run --config eval.yaml --dataset logs.yaml --output report.json --output report.md
        recsys-eval run --mode experiment --config experiment.yaml --dataset logs.yaml --output decision.html
        recsys-eval run --config eval.yaml --dataset logs.yaml --baseline before.json --junit gates.xml
    """
    told = locals()
    return moments_options.conclude(told) if from_moments else _from_logs(told)


def _from_logs(told: Mapping[str, Any]) -> int:
    """What the options ask for, ``told`` by name."""
    from recsys.attribution import sources
    from recsys.evaluation import render
    from recsys.evaluation.evaluate import evaluate, write

    wanted, output_format = told["output"] or [], told["output_format"]
    printed = render.format_of(Path("report.md"), output_format)
    forms = _forms(wanted, output_format)
    summary_file = ci_options.check(told)
    chosen = experiment_options.applied(
        _config(told["config"], told["mode"], told["slice_key"]),
        **{key: told[key] for key in experiment_options.NAMES},
    )
    sharing = moments_options.sharing(chosen.mode, told["shard"], told["moments"])
    computed = engine_options.chosen(*(told[key] for key in engine_options.NAMES))
    named = sources.from_options(*(told[key] for key in ("exposures", "outcomes", "assignments", "dataset", "items")))
    files = ci_options.written(told, summary_file)
    outputs.check(files, outputs.of_dataset(named, files))
    before = ci_options.read_baseline(told["baseline"], chosen.mode)
    Thread(target=_get_ready, args=["html" in forms], daemon=True).start()
    with console.progress("checking") as on_progress:
        done = evaluate(
            named, chosen, baseline=before, engine=computed, on_progress=on_progress, sharing=sharing
        )  # fmt: skip
    moments_options.write(done, told["moments"])
    write(done.report, wanted, output_format)
    ci_options.write(done.report, told["history"], told["junit"], summary_file)
    telling.tell(done.report, done.faults, written=bool(wanted), form=printed)
    return options.STATUS[done.report.summary.status]


def _forms(wanted: list[Path], output_format: str | None) -> list[str]:
    """The formats of the reports; UsageError, before anything is read, where there is none."""
    from recsys.evaluation import render

    return [render.format_of(path, output_format) for path in wanted]


def _get_ready(draws: bool) -> None:
    """Load what takes long and is needed last, while the logs are read. Who needs it loads it where this fails."""
    from recsys.evaluation.render import charts

    with suppress(Exception):
        importlib.import_module("scipy.special")
        if draws:
            charts.start_engine()


def _config(path: str | None, mode: str | None, slice_keys: list[str] | None):  # noqa: ANN202 - imported late
    from msgspec.structs import replace

    from recsys.attribution.join import check_slice_keys
    from recsys.evaluation import config as configs

    chosen = configs.EvaluationConfig() if path is None else configs.read(path)
    if mode is not None:
        chosen = replace(chosen, mode=configs.mode(mode, "--mode"))
    if slice_keys:
        check_slice_keys(slice_keys)
        chosen = replace(chosen, slice_keys=slice_keys)
        chosen.offline.check(slice_keys, "--slice-key, and offline")
    return chosen

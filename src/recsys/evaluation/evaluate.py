"""The conductor of an evaluation: validate, join, measure, report. It calls and does not compute."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from recsys import __version__
from recsys.attribution import quality, sources
from recsys.attribution.engine.choice import EngineChoice
from recsys.attribution.join import Joined
from recsys.attribution.opening import DEFAULT_ENGINE, joined_logs
from recsys.attribution.shards import Shard
from recsys.contracts.moments import Moments
from recsys.contracts.report import DataQuality, Input, MetricResult, Report, Summary
from recsys.evaluation import catalogue, gates, integrity, offline
from recsys.evaluation.config import EvaluationConfig
from recsys.evaluation.experiment import aa
from recsys.evaluation.experiment import run as experiments
from recsys.evaluation.position_bias import position_bias
from recsys.eventlog.faults import Fault
from recsys.eventlog.validation import Progress
from recsys.eventlog.whole import check_output
from recsys.text import level_of


class Evaluation(Struct, frozen=True):
    """The report, and the first faults of the logs, which are for the eyes of the person who runs it. ``moments``: of
    an experiment, where they were asked for."""

    report: Report
    faults: list[Fault]
    moments: Moments | None = None


class Sharing(Struct, frozen=True):
    """Of an experiment: the part of the users that is looked at (None: all), and whether moments are made."""

    shard: Shard | None = None
    moments: bool = False


WHOLE = Sharing()


def evaluate(
    dataset: sources.Dataset,
    config: EvaluationConfig,
    *,
    baseline: Report | None = None,
    now: datetime | None = None,
    engine: EngineChoice = DEFAULT_ENGINE,
    on_progress: Progress | None = None,
    sharing: Sharing = WHOLE,
) -> Evaluation:
    """Evaluate the logs of ``dataset`` and report. Bad rows are counted; RecsysError only where nothing can be read, or
    where gates have no ``baseline``: an offline report to compare with."""
    now = now or datetime.now(UTC)
    if config.mode != "offline":
        if config.mode == "experiment":
            done = experiments.evaluate(
                dataset, config, now=now, engine=engine, on_progress=on_progress, shard=sharing.shard,
                moments=sharing.moments,
            )  # fmt: skip
        else:
            done = aa.evaluate(dataset, config, now=now, engine=engine, on_progress=on_progress)
        return Evaluation(done.report, done.faults, done.moments)
    metrics = config.parsed_metrics()
    gates.check(config.offline.gates, baseline)
    with joined_logs(
        dataset, config.attribution, slice_keys=config.slice_keys, engine=engine, on_progress=on_progress
    ) as joined:
        items = [] if dataset.items is None else catalogue.load(joined.engine, dataset.items)
        found = quality.data_quality(joined)
        asked = config.offline
        measured = offline.evaluate(joined, metrics, catalogue=bool(items), crossed=asked.crossed, level=asked.level)
        bias = position_bias(joined, level=asked.level)
        report = replace(_report(joined, config, found, measured, items, now), position_bias=bias)
        return Evaluation(gates.applied(asked.gates, baseline, report), joined.dataset.faults)


def _report(
    joined: Joined,
    config: EvaluationConfig,
    found: DataQuality,
    measured: offline.Found,
    items: list[Input],
    now: datetime,
) -> Report:
    reasons = integrity.reasons_to_hold(found, config.attribution)
    return Report(
        run_id=uuid.uuid4().hex,
        mode="offline",
        created_at=now,
        version=__version__,
        effective_config=config.effective(),
        inputs=[*joined.dataset.inputs, *items],
        summary=Summary(
            status="hold" if reasons else "pass", reasons=reasons, headline=_headline(found, measured.results)
        ),
        data_quality=found,
        results=measured.results,
        cut_slices=measured.cut,
        buckets=measured.buckets,
        clicks_by_rank=quality.clicks_by_rank(joined),
        hours=quality.hours(joined),
        warnings=[*integrity.warnings(found), *measured.warnings],
    )


def _headline(found: DataQuality, results: list[MetricResult]) -> str:
    exposures, fates = found.exposures, found.fates
    told = f"{exposures.distinct:,} exposures to {exposures.users:,} users; {fates.attributed:,} outcomes attributed"
    first = next((result for result in results if not result.slice_key and result.estimate.value is not None), None)
    if first is None or first.estimate.value is None:
        return f"{told}."
    estimate = first.estimate
    interval = (
        ""
        if estimate.low is None
        else f" ({level_of(estimate.level)} interval {estimate.low:.4f} to {estimate.high:.4f})"
    )
    return f"{told}; {first.metric} {estimate.value:.4f}{interval}."


def write(report: Report, outputs: list[Path], output_format: str | None) -> None:
    """Write the report to each of ``outputs``, in the format of its suffix unless one is given."""
    from recsys.evaluation import render

    for path in outputs:
        check_output(path, [named.path for named in report.inputs])
    for path in outputs:
        render.write(render.text(report, render.format_of(path, output_format)), path)

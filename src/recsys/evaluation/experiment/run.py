"""``run --mode experiment``: from logs to a report with a decision. It calls, and does not compute."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from recsys.attribution import quality, sources
from recsys.attribution.engine.choice import EngineChoice
from recsys.attribution.join import Joined
from recsys.attribution.opening import joined_logs
from recsys.attribution.shards import Shard
from recsys.contracts.moments import Moments
from recsys.contracts.report import DataQuality, Input, Report
from recsys.errors import UsageError
from recsys.evaluation import catalogue
from recsys.evaluation.config import EvaluationConfig
from recsys.evaluation.experiment import conduct
from recsys.evaluation.experiment.gather import slice_keys
from recsys.evaluation.experiment.gathered import Gathered
from recsys.evaluation.experiment.reported import reported
from recsys.evaluation.experiment.rule import cut
from recsys.evaluation.experiment.settings import ExperimentConfig
from recsys.eventlog.faults import Fault
from recsys.eventlog.validation import Progress


class Evaluated(Struct, frozen=True):
    """The report, what it was made of (None where the logs hold no experiment), and the first faults of the logs.
    ``moments``: where they were asked for."""

    report: Report
    gathered: Gathered | None
    faults: list[Fault]
    moments: Moments | None = None


def evaluate(
    dataset: sources.Dataset,
    config: EvaluationConfig,
    *,
    now: datetime,
    engine: EngineChoice,
    on_progress: Progress | None = None,
    shard: Shard | None = None,
    moments: bool = False,
) -> Evaluated:
    """Evaluate the experiment of ``dataset``. Bad rows are counted; RecsysError where nothing can be read, or where the
    experiment or a variant that is asked for is not there. ``shard``: the part of the users that is looked at;
    ``moments``: whether to make them, too."""
    if dataset.assignments is None:
        hint = "Give --assignments, or assignments in the dataset."
        raise UsageError("an experiment needs its assignment log", where="--mode experiment", hint=hint)
    keys = slice_keys(config.experiment, config.slice_keys)
    with joined_logs(
        dataset, config.attribution, slice_keys=keys, engine=engine, on_progress=on_progress, shard=shard
    ) as joined:
        items = [] if dataset.items is None else catalogue.load(joined.engine, dataset.items)
        found = quality.data_quality(joined)
        gathered = conduct.gathered(
            joined, config.experiment, found, config.slice_keys, now, catalogue=bool(items), count_users=moments
        )  # fmt: skip
        inputs = [*joined.dataset.inputs, *items]
        report = reported(
            config, gathered, found, inputs, now, why_none=_why_none(joined, config.experiment, found, now),
            part=moments or shard is not None,
        )  # fmt: skip
        made = _moments(gathered, config, inputs, shard, now) if moments else None
        return Evaluated(report, gathered, joined.dataset.faults, made)


def _moments(
    found: Gathered | None, config: EvaluationConfig, inputs: list[Input], shard: Shard | None, now: datetime
) -> Moments:
    """UsageError where there is no experiment to make them of."""
    from recsys.evaluation.experiment import moments_written

    if found is None:
        hint = "" if shard is None else "Make fewer parts, so that there are users in each."
        found_in = "" if shard is None else f"none in part {shard}"
        raise UsageError("there is no experiment to make moments of", where="--moments", found=found_in, hint=hint)
    as_of = cut(config.experiment, found.quality.exposures.last_ts, now)
    header = moments_written.Header(
        inputs=inputs, effective_config=config.effective(), shard=shard, as_of=as_of, at=now
    )  # fmt: skip
    return moments_written.written(found, header)


def _why_none(joined: Joined, config: ExperimentConfig, found: DataQuality, now: datetime) -> str:
    log = joined.dataset.assignments
    until = cut(config, found.exposures.last_ts, now)
    if log is None or not log.rows:
        return "there is no valid assignment: the log is empty"
    if log.rows > log.invalid and until is not None:
        return f"nothing was assigned until {until:%Y-%m-%d %H:%M:%S} UTC, where the data are cut"
    return f"there is no valid assignment: all {log.invalid:,} rows of the log are invalid"

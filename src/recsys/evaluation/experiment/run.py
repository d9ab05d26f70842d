"""``run --mode experiment``: from logs to a report with a decision. It calls, and does not compute."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from recsys import __version__
from recsys.attribution import quality, sources
from recsys.attribution.engine.choice import EngineChoice
from recsys.attribution.join import Joined
from recsys.attribution.opening import joined_logs
from recsys.contracts.report import DataQuality, Input, Report
from recsys.errors import UsageError
from recsys.evaluation import catalogue, integrity
from recsys.evaluation.config import EvaluationConfig
from recsys.evaluation.experiment import conduct
from recsys.evaluation.experiment.gather import Gathered, slice_keys
from recsys.eventlog.faults import Fault
from recsys.eventlog.validation import Progress


class Evaluated(Struct, frozen=True):
    """The report, what it was made of (None where the logs hold no experiment), and the first faults of the logs."""

    report: Report
    gathered: Gathered | None
    faults: list[Fault]


def evaluate(
    dataset: sources.Dataset,
    config: EvaluationConfig,
    *,
    now: datetime,
    engine: EngineChoice,
    on_progress: Progress | None = None,
) -> Evaluated:
    """Evaluate the experiment of ``dataset``. Bad rows are counted; RecsysError where nothing can be read, or where the
    experiment or a variant that is asked for is not there."""
    if dataset.assignments is None:
        hint = "Give --assignments, or assignments in the dataset."
        raise UsageError("an experiment needs its assignment log", where="--mode experiment", hint=hint)
    keys = slice_keys(config.experiment, config.slice_keys)
    with joined_logs(dataset, config.attribution, slice_keys=keys, engine=engine, on_progress=on_progress) as joined:
        items = [] if dataset.items is None else catalogue.load(joined.engine, dataset.items)
        found = quality.data_quality(joined)
        gathered = conduct.gathered(
            joined, config.experiment, found, config.slice_keys, now, catalogue=bool(items)
        )  # fmt: skip
        inputs = [*joined.dataset.inputs, *items]
        report = reported(config, gathered, found, inputs, now, why_none=_why_none(joined))
        return Evaluated(report, gathered, joined.dataset.faults)


def reported(
    config: EvaluationConfig, gathered: Gathered | None, found: DataQuality, inputs: Sequence[Input], now: datetime, *,
    why_none: str = "",
) -> Report:  # fmt: skip
    """The report of what was gathered, from logs or from moments."""
    concluded = (
        None
        if gathered is None
        else conduct.concluded(gathered, config.experiment, config.attribution, inputs, now)
    )  # fmt: skip
    return Report(
        run_id=uuid.uuid4().hex,
        mode="experiment",
        created_at=now,
        version=__version__,
        effective_config=config.effective(),
        inputs=list(inputs),
        summary=conduct.summary(concluded, config.experiment, why_none),
        data_quality=found,
        results=[],
        hours=[] if gathered is None else gathered.hours,
        warnings=[*_warnings(found, config), *([] if concluded is None else concluded.trial.notes)],
        experiment=concluded,
    )


def _warnings(found: DataQuality, config: EvaluationConfig) -> list[str]:
    """Those of the logs. A covariate is read from the assignments: that no list has it is nothing to know."""
    covariate = config.experiment.cuped.covariate_key
    keys = {key: n for key, n in found.missing_keys.items() if key != covariate or key in config.slice_keys}
    return integrity.warnings(replace(found, missing_keys=keys))


def _why_none(joined: Joined) -> str:
    log = joined.dataset.assignments
    if log is None or not log.rows:
        return "there is no valid assignment: the log is empty"
    return f"there is no valid assignment: all {log.invalid:,} rows of the log are invalid"

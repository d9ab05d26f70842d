"""The report of an experiment, of what was gathered of it: from logs, or from moments."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from recsys import __version__
from recsys.contracts.report import DataQuality, Input, Report
from recsys.evaluation import integrity
from recsys.evaluation.config import EvaluationConfig
from recsys.evaluation.experiment import conduct
from recsys.evaluation.experiment.gathered import Gathered


def reported(
    config: EvaluationConfig, gathered: Gathered | None, found: DataQuality, inputs: Sequence[Input], now: datetime, *,
    why_none: str = "", notes: Sequence[str] = (), part: bool = False,
) -> Report:  # fmt: skip
    """The report of what was gathered, from logs or from moments. ``notes``: what a reader should know besides.
    ``part``: it is of some of the users."""
    concluded = (
        None
        if gathered is None
        else conduct.concluded(gathered, config.experiment, config.attribution, inputs, now, part=part)
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
        warnings=[*_warnings(found, config), *([] if concluded is None else concluded.trial.notes), *notes],
        experiment=concluded,
    )


def _warnings(found: DataQuality, config: EvaluationConfig) -> list[str]:
    """Those of the logs. A covariate is read from the assignments: that no list has it is nothing to know."""
    covariate = config.experiment.cuped.covariate_key
    keys = {key: n for key, n in found.missing_keys.items() if key != covariate or key in config.slice_keys}
    return integrity.warnings(replace(found, missing_keys=keys))

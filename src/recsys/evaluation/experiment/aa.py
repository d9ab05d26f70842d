"""``mode: aa-check``: do our tests hold their error rate on this log? Its users are split at random, many times."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from recsys import __version__
from recsys.attribution import experiment, quality, sources
from recsys.attribution.engine.choice import EngineChoice
from recsys.attribution.join import Joined
from recsys.attribution.opening import joined_logs
from recsys.attribution.trial import TrialOptions, gathered
from recsys.contracts.experiment import AACell, AACheck
from recsys.contracts.report import Report, Summary
from recsys.errors import ConfigError
from recsys.evaluation import integrity
from recsys.evaluation.config import EvaluationConfig
from recsys.evaluation.experiment import measures
from recsys.evaluation.experiment.measures import MICRO, RatioMeasure
from recsys.evaluation.experiment.needs import needs
from recsys.evaluation.experiment.run import Evaluated
from recsys.evaluation.experiment.settings import ExperimentConfig
from recsys.evaluation.experiment.settle import Settled, settle_units
from recsys.evaluation.experiment.unit_arrays import unit_arrays
from recsys.eventlog.validation import Progress
from recsys.statistics.aa_check import ALPHA, aa_check

FEW = 100
"""Users with a value under which nothing is said of a metric."""


def evaluate(
    dataset: sources.Dataset,
    config: EvaluationConfig,
    *,
    now: datetime,
    engine: EngineChoice,
    on_progress: Progress | None = None,
) -> Evaluated:
    """Check every ratio that the settings name, on the units of the experiment where ``experiment_id`` names
    one, else on all users of the log."""
    wanted = _measures(config.experiment)
    with joined_logs(
        dataset, config.attribution, slice_keys=config.slice_keys, engine=engine, on_progress=on_progress
    ) as joined:
        found = quality.data_quality(joined)
        settled = _settled(joined, config.experiment, wanted)
        seed = config.experiment.bootstrap.seed
        cells = [_cell(measure, settled, seed) for measure in wanted]
        reasons = integrity.reasons_to_hold(found, config.attribution)
        report = Report(
            run_id=uuid.uuid4().hex,
            mode="aa-check",
            created_at=now,
            version=__version__,
            effective_config=config.effective(),
            inputs=joined.dataset.inputs,
            summary=_summary(cells, reasons),
            data_quality=found,
            results=[],
            warnings=integrity.warnings(found),
            aa_check=AACheck(
                experiment_id=config.experiment.experiment_id, seed=seed, as_of=config.experiment.as_of, cells=cells
            ),
        )  # fmt: skip
        return Evaluated(report, None, joined.dataset.faults)


def _measures(config: ExperimentConfig) -> list[RatioMeasure]:
    """The primary and secondary metrics that are ratios, each once."""
    names = dict.fromkeys([*config.primary_metrics, *config.secondary_metrics])
    found = [measures.parse(name, "experiment") for name in names]
    ratios = [measure for measure in found if isinstance(measure, RatioMeasure)]
    if not ratios:
        raise ConfigError(
            "no metric can be checked", where="experiment.primary_metrics", found=", ".join(names),
            expected="a ratio, such as ctr",
        )  # fmt: skip
    return ratios


def _settled(joined: Joined, config: ExperimentConfig, wanted: Sequence[RatioMeasure]) -> Settled:
    """The units in the engine."""
    options = TrialOptions(scope=config.scope, as_of=config.as_of)
    if config.experiment_id is None or gathered(joined, config.experiment_id, options) is None:
        experiment.settle_users(joined, config.as_of)
    cap = None if config.revenue_cap is None else round(config.revenue_cap * MICRO)
    return settle_units(joined, needs(wanted), slices=[], buckets=config.bootstrap.buckets, cap=cap)


def _cell(measure: RatioMeasure, settled: Settled, seed: int) -> AACell:
    y, n = unit_arrays(settled, measure.y, measure.n)
    with_value = int((y != 0).sum())
    if with_value < FEW:
        note = f"{with_value:,} users have a value other than 0: at least {FEW} are needed"
        return AACell(
            metric=str(measure), splits=0, units=len(y), rejected=None, ks=None, ks_p=None, status="unusable", note=note
        )  # fmt: skip
    found = aa_check(y, n, seed=seed)
    status = "unusable" if found.p is None else "pass" if found.passes else "fail"
    return AACell(
        metric=str(measure), splits=found.splits, units=len(y), rejected=found.rejected, ks=found.statistic,
        ks_p=found.p, status=status, note=found.note,
    )  # fmt: skip


def _summary(cells: Sequence[AACell], reasons: list[str]) -> Summary:
    """A check that fails fails the run; one that could not be made holds it."""
    failed = [
        f"{cell.metric}: p-values of {cell.splits:,} splits are not uniform (KS p = {cell.ks_p:.2g}, under {ALPHA:g}): "
        f"{cell.rejected:.1%} of them are under 5 %"
        for cell in cells
        if cell.status == "fail"
    ]
    unusable = [f"{cell.metric} cannot be checked: {cell.note}" for cell in cells if cell.status == "unusable"]
    status = "fail" if failed else "hold" if reasons or unusable else "pass"
    passed = sum(cell.status == "pass" for cell in cells)
    headline = f"{passed} of {len(cells)} metrics hold their error rate under random splits of the users."
    return Summary(status=status, reasons=[*failed, *reasons, *unusable], headline=headline)

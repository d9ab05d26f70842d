"""All that the logs hold of one experiment, in counts and sums over users: what conclusions are drawn from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from recsys.attribution import trial
from recsys.attribution.quality import hours
from recsys.attribution.trial import TrialOptions
from recsys.contracts.report import DataQuality
from recsys.evaluation.experiment import adjustment, measures
from recsys.evaluation.experiment.gathered import ALWAYS, Gathered
from recsys.evaluation.experiment.impressions import impressions
from recsys.evaluation.experiment.match_rates import EXPERIMENT_KEY, VARIANT_KEY, match_rates
from recsys.evaluation.experiment.maturity import maturity
from recsys.evaluation.experiment.measures import MICRO, Measure, RatioMeasure
from recsys.evaluation.experiment.needs import Needs, needs
from recsys.evaluation.experiment.origins import origins
from recsys.evaluation.experiment.reduce import sums
from recsys.evaluation.experiment.settings import ExperimentConfig
from recsys.evaluation.experiment.settle import settle_units
from recsys.evaluation.experiment.shown_rates import shown_rates

if TYPE_CHECKING:
    from recsys.attribution.join import Joined

OWN_KEYS = (EXPERIMENT_KEY, VARIANT_KEY)
"""Keys of the context that say of which arm an outcome is; no slices."""


def measures_of(config: ExperimentConfig) -> list[Measure]:
    """All that are asked for, each once, in order: primary, secondary, guardrails."""
    guards = (rule.metric for rule in config.guardrails)
    names = dict.fromkeys([*config.primary_metrics, *config.secondary_metrics, *guards, ALWAYS])
    return [measures.parse(name, "experiment") for name in names]


def needs_of(config: ExperimentConfig) -> Needs:
    """What has to be summed for them, and for their adjustment."""
    wanted = measures_of(config)
    found = needs(wanted)
    if config.cuped.enabled:
        found |= _of_past(config, (each for each in wanted if isinstance(each, RatioMeasure)))
    return found


def _of_past(config: ExperimentConfig, wanted: Iterable[RatioMeasure]) -> Needs:
    products = set().union(*(adjustment.products(measure, config.cuped) for measure in wanted))
    return Needs(frozenset(column for pair in products for column in pair), frozenset(products))


def slice_keys(config: ExperimentConfig, asked: Iterable[str]) -> list[str]:
    """The keys to stage: those asked for, the covariate's, and those that say of which arm an outcome is."""
    covariate = config.cuped.covariate_key
    return list(dict.fromkeys([*asked, *([] if covariate is None else [covariate]), *OWN_KEYS]))


def gather(
    joined: Joined, config: ExperimentConfig, options: TrialOptions, quality: DataQuality, slices: Iterable[str], *,
    catalogue: bool, count_users: bool = False,
) -> Gathered | None:  # fmt: skip
    """Of the experiment that is asked for; None where no valid assignment names one. ``slices``: the keys that its
    effects are broken down by. ``count_users``: of all that leaves the house, how many users it is of. UsageError where
    it is not there, or where it was not said which of several."""
    parts = trial.gathered(joined, config.experiment_id, options)
    if parts is None:
        return None
    cap = None if config.revenue_cap is None else round(config.revenue_cap * MICRO)
    wanted, keys = needs_of(config), [key for key in slices if key not in OWN_KEYS]
    settled = settle_units(
        joined, wanted, slices=keys, covariate=config.cuped.covariate_key, buckets=config.bootstrap.buckets, cap=cap,
        by_day=True,
    )  # fmt: skip
    errors_known = joined.engine.rows(
        "SELECT variant, count(error) FROM experiment_exposures WHERE standing = 'counts' GROUP BY variant"
    )
    return Gathered(
        errors_known=dict(sorted(errors_known)),
        quality=quality,
        hours=hours(joined),
        parts=parts,
        sums=sums(settled, count_users=count_users),
        matched=match_rates(joined),
        shown=shown_rates(joined) if options.scope == "request" else {},
        origins=origins(joined, keys),
        maturity=maturity(joined),
        impressions=impressions(settled, list(parts.sums), catalogue=catalogue) if wanted.spread else None,
        shards=() if joined.shard is None else (str(joined.shard),),
    )

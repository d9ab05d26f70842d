"""All that the logs hold of one experiment, in counts and sums over users. Those of disjoint sets of users add.

What is added must be whole: of parts of which one left a value out, as one of too few users, only those values are in
the sum that are in all of them. So it does not matter in which order parts are added.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from recsys.attribution.trial import TrialParts
from recsys.contracts.report import DataQuality, HourPoint
from recsys.evaluation.experiment.impressions import Impressions
from recsys.evaluation.experiment.match_rates import MatchRates
from recsys.evaluation.experiment.maturity import Maturity
from recsys.evaluation.experiment.origins import Origins
from recsys.evaluation.experiment.reduce import Sums
from recsys.statistics.moments import Moments

ALWAYS = "exposures_per_user"
"""Stands beside every ratio."""


@dataclass(frozen=True)
class LeftOut:
    """What parts were made without, for it was of too few users. ``origins``: key → values, at least. ``matched``: arms
    of which it is not known which share of their outcomes matched. ``crossed``: other experiments of which it is not
    known which units are in both."""

    origins: dict[str, int] = field(default_factory=dict)
    matched: frozenset[str] = frozenset()
    crossed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Gathered:
    """``errors_known``: by arm, exposures that count and say whether they were an error. ``shown``: by arm, of the
    requests that were assigned those that have an exposure; empty where one assignment stands for several requests.
    ``impressions``: None where no metric
    asks for them, and of sums that were added. ``shards``: of which parts of the users it is made; none of all."""

    errors_known: dict[str, int]
    quality: DataQuality
    hours: list[HourPoint]
    parts: TrialParts
    sums: Sums
    matched: MatchRates
    shown: dict[str, Moments]
    origins: Origins
    maturity: Maturity
    impressions: Impressions | None
    left_out: LeftOut = LeftOut()
    shards: tuple[str, ...] = ()

"""What can be measured in an experiment. Each measure is a value whose name parses to it and prints from it, and that
says which columns it needs of a unit."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from recsys.errors import ConfigError, nearest
from recsys.evaluation import metrics
from recsys.evaluation.metrics.base import Scored
from recsys.evaluation.metrics.coverage import Coverage
from recsys.evaluation.metrics.gini import Gini
from recsys.evaluation.metrics.novelty import Novelty
from recsys.statistics.moments import SCALE

Better = Literal["higher", "lower"]
MICRO = 1_000_000
EXPOSURES, CLICKS, CONVERSIONS, REVENUE = "exposures", "clicks", "conversions", "revenue"
UNCAPPED, ERRORS, EMPTY, RESPONDED = "revenue_uncapped", "errors", "empty", "responded"


@dataclass(frozen=True)
class RatioMeasure:
    """Σ of column ``y`` over Σ of column ``n`` of the units; ``n`` None divides by the units themselves."""

    name: str
    y: str
    n: str | None
    words: str
    better: Better = "higher"
    lowest: float = 0.0
    highest: float = math.inf
    scale: int = 1

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class QuantileMeasure:
    """A quantile of ``latency_ms`` over the exposures that have one."""

    quantile: float
    better: Better = "lower"

    def __str__(self) -> str:
        return f"latency_p{self.quantile * 100:g}"

    @property
    def name(self) -> str:
        """``latency_p95``."""
        return str(self)

    @property
    def words(self) -> str:
        """In plain words."""
        return f"the latency that {self.quantile:.3g} of the lists stay under, in ms"


@dataclass(frozen=True)
class SpreadMeasure:
    """Coverage, novelty or Gini of what an arm was shown, at as many impressions as the smaller of two arms has."""

    metric: Coverage | Novelty | Gini

    def __str__(self) -> str:
        return str(self.metric)

    @property
    def name(self) -> str:
        """The metric's."""
        return str(self.metric)

    @property
    def better(self) -> Better:
        """Impressions on fewer items are no improvement by themselves."""
        return "lower" if isinstance(self.metric, Gini) else "higher"

    @property
    def words(self) -> str:
        """In plain words."""
        return f"{self.metric} at as many impressions as the smaller of the two arms has"


Measure = RatioMeasure | QuantileMeasure | SpreadMeasure

_RATIOS = (
    RatioMeasure("ctr", CLICKS, EXPOSURES, "attributed clicks per exposure"),
    RatioMeasure("conversion_rate", CONVERSIONS, EXPOSURES, "attributed conversions per exposure"),
    RatioMeasure(
        "revenue_per_exposure", REVENUE, EXPOSURES, "value of the attributed conversions per exposure",
        lowest=-math.inf, scale=MICRO,
    ),
    RatioMeasure("clicks_per_user", CLICKS, None, "attributed clicks per assigned user"),
    RatioMeasure("conversions_per_user", CONVERSIONS, None, "attributed conversions per assigned user"),
    RatioMeasure(
        "revenue_per_user", REVENUE, None, "value of the attributed conversions per assigned user",
        lowest=-math.inf, scale=MICRO,
    ),
    RatioMeasure("exposures_per_user", EXPOSURES, None, "exposures per assigned user"),
    RatioMeasure("error_rate", ERRORS, EXPOSURES, "share of lists that were an error", "lower", highest=1.0),
    RatioMeasure("empty_rate", EMPTY, EXPOSURES, "share of lists that held nothing", "lower", highest=1.0),
)  # fmt: skip
RATIOS = {measure.name: measure for measure in _RATIOS}
_LATENCY = re.compile(r"latency_p([0-9]{1,2}(?:\.[0-9])?)")
RESPONDED_ONLY = "|responded"


def parse(name: str, where: str) -> Measure:
    """The measure of that name; ConfigError names the nearest known."""
    if name in RATIOS:
        return RATIOS[name]
    if is_latency(name):
        return QuantileMeasure(float(name.removeprefix("latency_p")) / 100)
    plain = name.removesuffix(RESPONDED_ONLY)
    try:
        metric = metrics.parse(plain, where)
    except ConfigError as error:
        known = [*RATIOS, "latency_p95", *metrics.KINDS]
        hint = nearest(name, known)
        raise ConfigError(
            "no such metric of an experiment", where=where, found=name, expected=error.expected, hint=hint
        ) from None
    if isinstance(metric, Scored):
        return score_measure(metric, responded=plain != name)
    if isinstance(metric, Coverage | Novelty | Gini) and plain == name:
        return SpreadMeasure(metric)
    raise ConfigError("not a metric of an experiment", where=where, found=name, hint="recsys-eval metrics lists them.")


def is_latency(name: str) -> bool:
    """Whether the name is that of a quantile of latency."""
    match = _LATENCY.fullmatch(name)
    return match is not None and 0 < float(match[1]) < 100


def score_measure(metric: Scored, *, responded: bool) -> RatioMeasure:
    """A score of single exposures as a measure: its mean over all, or over those with a relevant item."""
    return RatioMeasure(
        name=f"{metric}{RESPONDED_ONLY if responded else ''}", y=score_column(metric),
        n=RESPONDED if responded else EXPOSURES, words=f"mean {metric} of the lists",
        highest=metric.highest, scale=SCALE,
    )  # fmt: skip


def score_column(metric: Scored) -> str:
    """The column of a score's sum."""
    return f"score:{metric}"

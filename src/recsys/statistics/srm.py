"""Sample ratio: do the arms have as many units as they should?

The p-value is exact where the possible divisions of the units among the arms can be counted out: the probability, when
each unit falls into an arm by its weight, of a division that is no likelier than the one seen (two arms: the binomial
test; more: the multinomial test). Else it is that of Pearson's chi-square.

A p-value is over the arms that should be there. An arm that should be and is not, and one that is and should not be,
are found by name, whatever p is: one unit of a foreign arm would not move it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

ALPHA = 0.001
MAX_DIVISIONS = 20_000
MAX_ARMS = 20
SMALL_EXPECTED = 5
_TIES = 1 + 1e-7
"""Divisions that are equally likely differ in their last bits."""


@dataclass(frozen=True)
class SampleRatio:
    """``expected``: units that each arm should have. ``declared``: whether the arms were given, not taken from what was
    seen. ``statistic``: chi-square. ``p`` is None where there is nothing to compare, and ``note`` says why."""

    observed: dict[str, int]
    expected: dict[str, float]
    declared: bool
    statistic: float | None = None
    p: float | None = None
    method: str = ""
    absent: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    note: str = ""

    def mismatch(self, alpha: float = ALPHA) -> bool:
        """Whether the arms are not what they should be."""
        return bool(self.absent or self.unexpected) or (self.p is not None and self.p < alpha)


def sample_ratio(observed: Mapping[str, int], weights: Mapping[str, float] | None = None) -> SampleRatio:
    """Units by arm against the weights that the arms should have, in any unit; without weights all arms that were seen
    should be equal. ValueError for a weight that is not above 0 or not finite."""
    seen = {arm: count for arm, count in sorted(observed.items()) if count}
    declared = weights is not None
    shares = declared_shares(weights if weights is not None else dict.fromkeys(seen, 1.0))
    counts, probabilities = [seen.get(arm, 0) for arm in shares], list(shares.values())
    total = sum(counts)
    expected = {arm: total * p for arm, p in shares.items()}
    statistic, p, method, note = _test(counts, probabilities)
    return SampleRatio(
        observed=seen, expected=expected, declared=declared, statistic=statistic, p=p, method=method,
        absent=[arm for arm in shares if arm not in seen], unexpected=[arm for arm in seen if arm not in shares],
        note=note,
    )  # fmt: skip


def declared_shares(weights: Mapping[str, float]) -> dict[str, float]:
    """The probability of each arm, by name, from weights in any unit; ValueError as above."""
    if not all(0 < weight < math.inf for weight in weights.values()):
        raise ValueError("weights must be above 0, and finite")
    whole = sum(weights.values())
    shares = {arm: weight / whole for arm, weight in sorted(weights.items())}
    if not all(shares.values()):
        raise ValueError("weights must not differ by so much")
    return shares


def _test(counts: Sequence[int], probabilities: Sequence[float]) -> tuple[float | None, float | None, str, str]:
    """Statistic, p, method and note."""
    total = sum(counts)
    if total == 0:
        return None, None, "", "there is no unit"
    if len(counts) < 2:
        return None, None, "", "there is one arm"
    statistic = math.fsum(
        (count - total * p) ** 2 / (total * p) for count, p in zip(counts, probabilities, strict=True)
    )
    if len(counts) <= MAX_ARMS and math.comb(total + len(counts) - 1, total) <= MAX_DIVISIONS:
        method = "exact binomial" if len(counts) == 2 else "exact multinomial"
        return statistic, _exact(counts, probabilities), method, ""
    from scipy.special import chdtrc

    rough = total * min(probabilities) < SMALL_EXPECTED
    note = f"an arm should have fewer than {SMALL_EXPECTED} units: p is rough" if rough else ""
    return statistic, float(chdtrc(len(counts) - 1, statistic)), "chi-square", note


def _exact(counts: Sequence[int], probabilities: Sequence[float]) -> float:
    """The probability of all divisions that are no likelier than ``counts``."""
    total = sum(counts)
    logs = [math.log(p) for p in probabilities]

    def probability(division: Sequence[int]) -> float:
        return math.exp(
            math.lgamma(total + 1)
            + math.fsum(n * log - math.lgamma(n + 1) for n, log in zip(division, logs, strict=True))
        )

    limit = probability(counts) * _TIES
    return min(math.fsum(p for p in map(probability, _divisions(total, len(counts))) if p <= limit), 1.0)


def _divisions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """All ways to divide ``total`` units among so many arms."""
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _divisions(total - first, parts - 1):
            yield (first, *rest)

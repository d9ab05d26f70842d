"""Where does a sample ratio mismatch come from? The arms' shares within each value of each context key, ranked.

A fault that drops units of one arm in one place (a browser, a day, a version) shows most where it is undiluted: in the
value that is no wider and no narrower than the fault, Pearson's chi-square against the declared shares is largest. So
values are ranked by it; all have the same degrees of freedom. How far the mismatch of all units would fall without the
value is told beside it (Fabijan et al., "Diagnosing sample ratio mismatch in online controlled experiments", KDD 2019).

It is a search among many values: p is not corrected for their number, and nothing is decided by it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recsys.statistics.srm import SMALL_EXPECTED, declared_shares


@dataclass(frozen=True)
class Source:
    """One value of a key. ``fall``: the share of the chi-square of all units that is gone without this value; below 0
    where it hides a part of it, None where there is none. ``p`` is None for no unit, and rough where ``rough``.
    ``observed`` and all other figures are of the declared arms."""

    key: str
    value: str
    observed: dict[str, int]
    expected: dict[str, float]
    statistic: float
    p: float | None
    fall: float | None
    rough: bool = False


def rank_sources(table: Mapping[tuple[str, str], Mapping[str, int]], weights: Mapping[str, float]) -> list[Source]:
    """Of (key, value) → arm → units, the most suspicious value first; those with an expected count under 5, of which
    chi-square says little, come last. ValueError for weights that are none."""
    shares = declared_shares(weights)
    by_key: defaultdict[str, dict[str, Mapping[str, int]]] = defaultdict(dict)
    for (key, value), counts in table.items():
        by_key[key][value] = counts
    found = [source for key, values in by_key.items() for source in _of_key(key, values, shares)]
    return sorted(found, key=lambda source: (source.rough, -source.statistic, source.key, source.value))


def _of_key(key: str, values: Mapping[str, Mapping[str, int]], shares: Mapping[str, float]) -> list[Source]:
    whole = [sum(arms.get(arm, 0) for arms in values.values()) for arm in shares]
    overall = _chi_square(whole, list(shares.values()))
    return [_source(key, value, arms, shares, overall, whole) for value, arms in values.items()]


def _source(
    key: str, value: str, arms: Mapping[str, int], shares: Mapping[str, float], overall: float, whole: Sequence[int]
) -> Source:
    from scipy.special import chdtrc

    observed = {arm: arms.get(arm, 0) for arm in shares}
    units = sum(observed.values())
    expected = {arm: units * share for arm, share in shares.items()}
    rest = [n - here for n, here in zip(whole, observed.values(), strict=True)]
    statistic, without = (_chi_square(row, list(shares.values())) for row in (list(observed.values()), rest))
    return Source(
        key=key, value=value, observed=observed, expected=expected, statistic=statistic,
        p=float(chdtrc(len(shares) - 1, statistic)) if units and len(shares) > 1 else None,
        fall=1 - without / overall if overall else None, rough=min(expected.values()) < SMALL_EXPECTED,
    )  # fmt: skip


def _chi_square(counts: Sequence[int], probabilities: Sequence[float]) -> float:
    """Pearson's, against the shares; 0 of no unit."""
    total = sum(counts)
    if total == 0:
        return 0.0
    return math.fsum((n - total * p) ** 2 / (total * p) for n, p in zip(counts, probabilities, strict=True))

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
from dataclasses import dataclass, field

from recsys.statistics.srm import SMALL_EXPECTED, declared_shares


@dataclass(frozen=True)
class Source:
    """One value of a key. ``contribution``: its share of the chi-squares of the key's values. ``fall``: the share of
    the chi-square of all units that is gone without this value; below 0 where it hides a part of it. Both are None
    where there is no chi-square to share. ``p`` is None for no unit, and rough where ``rough``. ``direction``: the arms
    that are furthest above and below their share, and by how many units. ``unexpected``: units in arms that were not
    declared, which are in no other figure."""

    key: str
    value: str
    observed: dict[str, int]
    expected: dict[str, float]
    statistic: float
    p: float | None
    contribution: float | None
    fall: float | None
    direction: str
    rough: bool = False
    unexpected: dict[str, int] = field(default_factory=dict)


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
    counts = {value: [arms.get(arm, 0) for arm in shares] for value, arms in values.items()}
    probabilities = list(shares.values())
    whole = [sum(column) for column in zip(*counts.values(), strict=True)]
    overall = _chi_square(whole, probabilities)
    statistics = {value: _chi_square(row, probabilities) for value, row in counts.items()}
    total = math.fsum(statistics.values())
    return [
        _source(key, value, values[value], shares, statistics[value], total, overall, whole)
        for value in values
    ]  # fmt: skip


def _source(
    key: str, value: str, arms: Mapping[str, int], shares: Mapping[str, float],
    statistic: float, total: float, overall: float, whole: Sequence[int],
) -> Source:  # fmt: skip
    from scipy.special import chdtrc

    observed = {arm: arms.get(arm, 0) for arm in shares}
    units = sum(observed.values())
    expected = {arm: units * share for arm, share in shares.items()}
    rest = [n - here for n, here in zip(whole, observed.values(), strict=True)]
    without = _chi_square(rest, list(shares.values()))
    return Source(
        key=key, value=value, observed=observed, expected=expected, statistic=statistic,
        p=float(chdtrc(len(shares) - 1, statistic)) if units and len(shares) > 1 else None,
        contribution=statistic / total if total else None,
        fall=1 - without / overall if overall else None,
        direction=_direction(observed, expected), rough=min(expected.values()) < SMALL_EXPECTED,
        unexpected={arm: n for arm, n in sorted(arms.items()) if n and arm not in shares},
    )  # fmt: skip


def _direction(observed: Mapping[str, int], expected: Mapping[str, float]) -> str:
    """For instance "120 too many in A, 120 too few in B"; empty where every arm has its share."""
    excess = {arm: (observed[arm] - wanted) / math.sqrt(wanted or 1) for arm, wanted in expected.items()}
    most, least = max(excess, key=lambda arm: excess[arm]), min(excess, key=lambda arm: excess[arm])
    if excess[most] <= 0 <= excess[least]:
        return ""
    many, few = observed[most] - expected[most], expected[least] - observed[least]
    return f"{many:.0f} too many in {most}, {few:.0f} too few in {least}"


def _chi_square(counts: Sequence[int], probabilities: Sequence[float]) -> float:
    """Pearson's, against the shares; 0 of no unit."""
    total = sum(counts)
    if total == 0:
        return 0.0
    return math.fsum((n - total * p) ** 2 / (total * p) for n, p in zip(counts, probabilities, strict=True))

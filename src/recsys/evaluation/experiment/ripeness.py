"""How late outcomes come, and how many lists are too young to have been answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from recsys.attribution.policy import EVENT_TYPES, Policy
from recsys.contracts.experiment import Maturity as Told
from recsys.evaluation.experiment.maturity import Bins, Maturity

QUANTILES = (0.5, 0.9, 0.99)
FEW = 100
"""Outcomes under which a delay that 99 % stay under is not known."""
MUCH = 0.05
"""Share of young lists from which on a note says so."""


def told(found: Maturity, policy: Policy) -> list[Told]:
    """By event type, over all arms."""
    ages = _added(found.ages)
    return [_of_type(kind, _added({arm: own.get(kind, {}) for arm, own in found.delays.items()}), ages, policy)
            for kind in EVENT_TYPES]  # fmt: skip


def _added(by_arm: Mapping[str, Bins]) -> Counter[int]:
    total: Counter[int] = Counter()
    for bins in by_arm.values():
        total.update(bins)
    return total


def _of_type(kind: str, delays: Counter[int], ages: Counter[int], policy: Policy) -> Told:
    outcomes, lists = delays.total(), ages.total()
    places = [_place(delays, quantile) for quantile in QUANTILES]
    window = policy.windows_s.get(kind)
    last = places[-1]
    young = None if last is None or not lists else sum(n for place, n in ages.items() if place <= last) / lists
    p50, p90, p99 = (None if place is None else float(2**place) for place in places)
    return Told(
        event_type=kind, outcomes=outcomes, p50_s=p50, p90_s=p90, p99_s=p99, window_s=window, young=young,
        note=_note(kind, outcomes, young, window),
    )  # fmt: skip


def _place(bins: Counter[int], quantile: float) -> int | None:
    """The bin under whose end so many are; None of nothing."""
    until, total = 0, bins.total()
    for place in sorted(bins):
        until += bins[place]
        if until >= quantile * total:
            return place
    return None


def _note(kind: str, outcomes: int, young: float | None, window: float | None) -> str:
    if not outcomes:
        return f"no {kind} was attributed"
    if outcomes < FEW:
        return f"only {outcomes:,} {kind}s: how late the latest come is not known"
    if young is not None and young > MUCH and window is None:
        return (
            f"{young:.0%} of the lists had less time to be answered than the latest {kind}s take: give a window for "
            f"{kind}s and as_of, so that all lists have the same time"
        )
    return ""

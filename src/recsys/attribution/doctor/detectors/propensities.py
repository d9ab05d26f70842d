"""Propensities: the probabilities of what was shown, on which every off-policy estimate rests.

A shown item cannot have the propensity 0, and one that has none cannot be weighted, so 1 % of the items is ``serious``,
any is a ``warning``. Where all lists of some context value have none, and those of the others all have them, it is a
choice (only what was explored is logged with them): a warning. Where both ``propensity`` and ``logging_propensity``
stand they mean the same and must agree.

Whether they are right is told by the target policy: what is shown by the logging policy has a mean of target ÷ logging
of 1, whatever both are, as long as the target shows nothing that the logging policy never does (the sum over all items
of logging · target ÷ logging). A mean that differs from 1 by more than ``z`` standard errors, lists as units, and by
more than ``deviation`` (5 %) says, over ``least_lists`` (100) or more, that one of both does not add up to 1. Without a
target nothing of the kind can be told of single lists: propensities of a slate need not add up to any number.
"""

from __future__ import annotations

import math
from types import MappingProxyType

from recsys.attribution.doctor.breakdown import Where, cells, percent, where
from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.symptoms import Detector, Limits, Rows, Symptom, Unable, graded

UNIT = 2**20
_TABLE = "exposure_propensities"
_KINDS = {
    "zero": (
        "n_zero", "have a propensity of 0 though they were shown",
        "Log the probability with which the item was shown, before rounding; it is over 0 for what was shown.",
    ),
    "absent": (
        "n_items - n_known", "have no propensity though others have one",
        "Log the propensity of every item of every list, or evaluate only the lists that have them.",
    ),
    "differing": (
        "n_differing", "have a logging_propensity that differs from their propensity",
        "Log one of both; they mean the same.",
    ),
}  # fmt: skip


def _look(case: Case, limits: Limits) -> list[Symptom]:
    exposures = case.joined.dataset.exposures
    case.once(_TABLE, lambda: case.joined.engine.stage_propensities(_TABLE, exposures))
    items, known = case.one(f"SELECT coalesce(sum(n_items), 0), coalesce(sum(n_known), 0) FROM {_TABLE}")
    if not known:
        raise Unable("no list has propensities")
    found = [_kind(case, kind, int(items), limits) for kind in _KINDS]
    return [symptom for symptom in (*found, _sum(case, limits)) if symptom is not None]


def _kind(case: Case, kind: str, items: int, limits: Limits) -> Symptom | None:
    count, what, fix = _KINDS[kind]
    n, lists, first, last = case.one(
        f"SELECT coalesce(sum({count}), 0), count(*), min(ts_us), max(ts_us) FROM {_TABLE} WHERE {count} > 0"
    )
    severity = graded(int(n), items, limits)
    if severity is None:
        return None
    place = _chosen(case) if kind == "absent" else None
    who = "" if place is None else f": all lists of {place}, and no others"
    return Symptom(
        severity=severity if place is None else "warning",
        cause=f"{int(n):,} items of {lists:,} lists ({percent(int(n) / items)}) {what}{who}.",
        fix=fix,
        log="exposures",
        n=int(n),
        of=items,
        unit="items shown",
        subject=kind,
        rows=Rows(query=f"SELECT request_id AS row FROM {_TABLE} WHERE {count} > 0"),
        first_us=first,
        last_us=last,
    )


def _chosen(case: Case) -> Where | None:
    """The context value whose lists are exactly those that have no propensities, where there is one and no list has
    them in part."""
    columns = ", ".join(f"e.{column}" for _, column in case.slices)
    rows = case.rows(
        f"SELECT 0, {columns}, count(*), count(*) FILTER (WHERE p.n_known = 0), "
        f"count(*) FILTER (WHERE p.n_known BETWEEN 1 AND p.n_items - 1) FROM {_TABLE} AS p "
        f"INNER JOIN exposures AS e ON p.request_id = e.request_id WHERE p.n_items > 0 GROUP BY {columns}"
    )
    place = where(cells(rows, len(case.slices)), case.joined.slice_keys)
    if place is None or any(row[-1] for row in rows) or place.inside.hit < place.inside.n or place.outside.hit:
        return None
    return place


def _sum(case: Case, limits: Limits) -> Symptom | None:
    """Whether the mean of target ÷ logging is 1."""
    lists, first, last, n, total, squares, cross, counts = case.one(
        "SELECT count(*), min(ts_us), max(ts_us), sum(n_ratios), sum(ratios), sum(CAST(ratios AS HUGEINT) * ratios), "
        "sum(CAST(ratios AS HUGEINT) * n_ratios), sum(CAST(n_ratios AS HUGEINT) * n_ratios) "
        f"FROM {_TABLE} WHERE n_ratios > 0"
    )
    if lists < max(limits["least_lists"], 2):
        return None
    n, total, squares, cross, counts = (int(value) for value in (n, total, squares, cross, counts))
    mean = total / n / UNIT
    # The variance of a ratio of sums over lists, by the delta method
    variance = (squares / UNIT**2 - 2 * mean * cross / UNIT + mean**2 * counts) / (lists - 1) * lists / n**2
    error = math.sqrt(max(variance, 0.0))
    if abs(mean - 1) <= max(limits["z"] * error, limits["deviation"]):
        return None
    return Symptom(
        severity="serious",
        cause=(
            f"Target and logging propensities do not add up: their ratio is {mean:.3f} on average "
            f"(standard error {error:.3f}) where it must be 1."
        ),
        fix=(
            "Check that both are probabilities of one event (the item at this rank, or anywhere in the list), that "
            "each adds up to 1 over what could be shown, and that the log holds all lists that the policy made."
        ),
        log="exposures",
        n=lists,
        of=case.quality.exposures.distinct,
        subject="sum",
        rows=Rows(query=f"SELECT request_id AS row FROM {_TABLE} WHERE n_ratios > 0"),
        first_us=first,
        last_us=last,
    )


PROPENSITIES = Detector(
    name="propensities",
    question="Are propensities over 0, there for all items, and do they add up?",
    look=_look,
    limits=MappingProxyType({"warning": 0.0, "serious": 0.01, "z": 5.0, "deviation": 0.05, "least_lists": 100.0}),
)

"""The tables of a comparison of policies, as text and Markdown share them."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from recsys.contracts.comparison import Comparison, PolicyResult
from recsys.contracts.report import Estimate
from recsys.evaluation.compare_verdict import direction
from recsys.evaluation.quality_text import FATE_WORDS, percent
from recsys.text import printable

INFERRED = "inferred"
"""Said of a policy whose figures hold what its fallback infers."""


class Cells(Struct, frozen=True, kw_only=True):
    """A table. ``align``: one of ``l`` and ``r`` for each column."""

    title: str
    align: str
    headings: list[str]
    rows: list[list[str]]


def tables(comparison: Comparison) -> list[Cells]:
    """Fates and rates by policy, the figures, and the arms of experiments where there are any."""
    results = comparison.policies
    found = [_fates(results), _figures(results)]
    return [*found, _arms(results)] if any(result.effects for result in results) else found


def name(result: PolicyResult) -> str:
    """The policy's name, with a mark where its figures hold what is inferred."""
    return f"{printable(result.name)} ({INFERRED})" if result.inferred else printable(result.name)


def notes(comparison: Comparison) -> list[str]:
    """What stands below the tables: who is on hold and why, what was inferred, how policies are compared."""
    held = [f"{name(r)} is on hold: {reason}" for r in comparison.policies for reason in r.reasons]
    inferred = [
        f"{name(r)}: {r.inferred_outcomes:,} of {r.fates.orphan:,} orphans are credited to lists of the same user, in "
        "the figures; they stay orphans in the fates and rates"
        for r in comparison.policies
        if r.inferred
    ]
    return [*held, *inferred]


def _fates(results: Sequence[PolicyResult]) -> Cells:
    fates = [fate for fate in FATE_WORDS if fate == "attributed" or any(getattr(r.fates, fate) for r in results)]
    rows = [
        [
            name(result), *(f"{getattr(result.fates, fate):,}" for fate in fates),
            percent(result.rates.match), percent(result.rates.attribution), percent(result.rates.join), result.status,
        ]
        for result in results
    ]  # fmt: skip
    headings = ["policy", *fates, "match", "attribution", "join", "status"]
    return Cells(title="Fates and rates", align="l" + "r" * (len(headings) - 2) + "l", headings=headings, rows=rows)


def _figures(results: Sequence[PolicyResult]) -> Cells:
    rows = []
    for figure in results[0].figures:
        for place, result in enumerate(results):
            estimate, change = result.figures[figure], result.changes.get(figure)
            rows.append(
                [
                    "" if place else figure, name(result), _number(estimate.value), _interval(estimate),
                    *(("", "") if change is None else (_signed(change.value), _interval(change, "+.4g"))),
                ]
            )  # fmt: skip
    headings = [
        "figure",
        "policy",
        "value",
        "95 % interval",
        f"more than {printable(results[0].name)}",
        "95 % interval",
    ]
    return Cells(title="Figures", align="llrrrr", headings=headings, rows=rows)


def _arms(results: Sequence[PolicyResult]) -> Cells:
    rows = []
    keys = dict.fromkeys((e.experiment_id, e.metric, e.label) for result in results for e in result.effects)
    for key in keys:
        for place, result in enumerate(results):
            found = [e.estimate for e in result.effects if (e.experiment_id, e.metric, e.label) == key]
            told = [""] * 3 if place else [printable(word) for word in key]
            rows += [
                [*told, name(result), _signed(estimate.value), _interval(estimate, "+.4f"), direction(estimate)]
                for estimate in found
            ]
    headings = ["experiment", "figure", "arms", "policy", "difference", "95 % interval", "it is"]
    return Cells(title="Differences between arms", align="llllrrl", headings=headings, rows=rows)


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:.4f}"


def _signed(value: float | None) -> str:
    return "—" if value is None else "0" if value == 0 else f"{value:+.4g}"


def _interval(estimate: Estimate, form: str = ".4f") -> str:
    if estimate.low is None or estimate.high is None:
        return "—"
    return f"{estimate.low:{form}} to {estimate.high:{form}}"

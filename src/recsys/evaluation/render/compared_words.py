"""A comparison of two reports and gates, in the words that Markdown and HTML share."""

from __future__ import annotations

from collections.abc import Sequence

from recsys.contracts.report import Estimate
from recsys.contracts.report_comparison import Change, GateResult, ReportComparison
from recsys.evaluation import gates as judging
from recsys.evaluation.render import words
from recsys.text import level_of

MOST_SLICES = 20
GATE_WORDS = {"pass": "PASS", "fail": "FAIL", "inconclusive": "not decided"}
HEADINGS = ["metric", "baseline", "candidate", "change", "interval", "users", "in words"]
ALIGN = "lrrrrrl"
IN_SLICES = ["slice", *HEADINGS]
MEANING = (
    "The change is candidate − baseline. The interval says where it lies, beyond chance among users; where it holds 0, "
    "the two may be alike."
)
GATE_MEANING = (
    "A gate passes where the interval of the change, signed so that + is good, stays above what it may drop, and fails "
    "where it lies below. Each gate stands for itself; one that fails makes the run fail."
)


def origin(comparison: ReportComparison) -> str:
    """Which reports they are."""
    a, b = comparison.baseline, comparison.candidate
    return (
        f"Baseline: run {a.run_id}, {a.created_at:%Y-%m-%d %H:%M} UTC, {a.exposures:,} exposures. "
        f"Candidate: run {b.run_id}, {b.created_at:%Y-%m-%d %H:%M} UTC, {b.exposures:,} exposures."
    )


def level(comparison: ReportComparison) -> str:
    """At which level its intervals are."""
    return next((level_of(c.change.level) for c in comparison.changes if c.change.level is not None), "")


def rows(comparison: ReportComparison) -> list[list[str]]:
    """The changes of the whole."""
    return [_cells(change) for change in comparison.changes if not change.slice_key]


def slice_rows(comparison: ReportComparison) -> tuple[list[list[str]], int]:
    """Changes within slices whose interval does not hold 0, the first of them; and how many more there are."""
    found = [change for change in comparison.changes if change.slice_key and _beyond_chance(change.change)]
    told = [
        [f"{change.slice_key} {words.slice_value(change.slice_value)}", *_cells(change)]
        for change in found[:MOST_SLICES]
    ]
    return told, len(found) - len(told)


def _beyond_chance(change: Estimate) -> bool:
    return change.low is not None and change.high is not None and (change.low > 0 or change.high < 0)


def _cells(change: Change) -> list[str]:
    found = change.change
    both = "" if found.low is None or found.high is None else f"{_signed(found.low)} to {_signed(found.high)}"
    return [
        change.metric, words.number(change.baseline), words.number(change.candidate),
        "—" if found.value is None else _signed(found.value), both or "—",
        "" if found.units is None else f"{found.units:,}", found.note or _told(change),
    ]  # fmt: skip


def _signed(value: float) -> str:
    return f"{value:+.4g}" if value else "0"


def _told(change: Change) -> str:
    found = change.change
    if found.low is None or found.high is None:
        return ""
    if found.low == found.high == 0:
        return "no difference"
    if not _beyond_chance(found):
        return "within chance"
    return "better" if (found.low > 0) == (change.better == "higher") else "worse"


def gate_rows(gates: Sequence[GateResult]) -> list[list[str]]:
    """Each gate: its name, what it says, and why; those that do not pass first."""
    order = {"fail": 0, "inconclusive": 1, "pass": 2}
    return [
        [judging.name(gate), GATE_WORDS[gate.status], gate.told]
        for gate in sorted(gates, key=lambda gate: order[gate.status])
    ]

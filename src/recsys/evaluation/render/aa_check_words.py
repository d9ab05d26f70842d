"""A check of our own tests in words: do they raise as many false alarms as they say?"""

from __future__ import annotations

from recsys.contracts.experiment import AACheck
from recsys.contracts.report import Report
from recsys.evaluation.quality_text import slice_value as shown
from recsys.evaluation.render import digits
from recsys.evaluation.render.cells import FAIL, PASS, Cell, Cells, Result, filled, table
from recsys.text import printable

EXPECTED = 0.05
"""The share of splits with p under it, where nothing differs."""
TOLD = (
    "Users are split into two arms at random, again and again. Nothing differs between such arms, so a test that works "
    "finds a change in about 5 % of the splits, and its p-values are spread evenly. Where they are not, p-values and "
    "intervals on this log cannot be believed."
)
UNIFORM = "The last p is of “p-values are spread evenly” (Kolmogorov-Smirnov); a check fails where it is under 0.001."
MEANINGS = {
    "pass": "the tests raise as many false alarms on this log as they say",
    "fail": "the tests do not hold their error rate on this log",
    "hold": "it cannot be said whether the tests hold their error rate on this log",
}
RESULTS = {"pass": PASS, "fail": FAIL, "unusable": Result("unusable", "open")}


def title(report: Report) -> str:
    """``A/A check of exp-1``."""
    check = report.aa_check
    if check is None or check.experiment_id is None:
        return "A/A check"
    return f"A/A check of {shown(check.experiment_id)}"


def meaning(report: Report) -> str:
    """The verdict in a sentence."""
    told = MEANINGS.get(report.summary.status, report.summary.headline)
    return f"{printable(told[:1].upper() + told[1:])}."


def how(check: AACheck) -> str:
    """What makes it reproducible."""
    until = "" if check.as_of is None else f"; data as of {check.as_of:%Y-%m-%d %H:%M:%S} UTC"
    return f"Seed {check.seed}{until}."


def cells(check: AACheck | None) -> Cells:
    """A row for each metric."""
    rows: list[list[Cell]] = [
        [
            each.metric, RESULTS[each.status], digits.count(each.splits), digits.count(each.units),
            digits.percent(each.rejected, sign=False), digits.number(each.ks), digits.p(each.ks_p), each.note,
        ]
        for each in ([] if check is None else check.cells)
    ]  # fmt: skip
    headings: list[Cell] = ["metric", "result", "splits", "users", "p under 0.05 in", "distance", "p", "note"]
    return filled(table("llrrrrrl", headings, rows))


def summary(report: Report) -> str:
    """The few lines that a terminal shows beside the report."""
    lines = [f"{report.summary.status.upper()}: {printable(report.summary.headline)}"]
    lines += [f"  {printable(reason)}" for reason in report.summary.reasons]
    return "\n".join(lines) + "\n"

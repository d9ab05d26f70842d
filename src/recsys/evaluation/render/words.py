"""Figures in the words and digits that all reports share."""

from __future__ import annotations

from collections.abc import Iterator

from recsys.contracts.report import Estimate, Fates, MetricResult, Rate, Report
from recsys.evaluation import report_settings
from recsys.evaluation.gates import GATE
from recsys.evaluation.quality_text import FATE_WORDS, fate_rows, gaps, inferred, percent, slice_value
from recsys.text import level_of, printable

__all__ = [
    "FATE_WORDS",
    "METRIC_WORDS",
    "also",
    "fate_rows",
    "funnel",
    "gaps",
    "headline_results",
    "inferred",
    "interval",
    "level",
    "number",
    "of",
    "percent",
    "printable",
    "slice_value",
    "slices",
    "verdict",
]

METRIC_WORDS = {
    "hitrate": "share of lists in which something was clicked or bought within the first k",
    "precision": "share of the first k places whose item was clicked or bought",
    "recall": "share of what was clicked or bought that stood within the first k",
    "ndcg": "how near the top the clicked or bought items stand; 1 is all of them first",
    "map": "the mean precision at each clicked or bought item",
    "mrr": "one over the rank of the first clicked or bought item",
    "coverage": "share of the items that anybody was shown within the first k",
    "novelty": "how rarely the shown items are shown, in bits",
    "gini": "how unequally impressions are spread over items; 0 is evenly",
    "intra_list_diversity": "how different the items of a list are by their tags; 1 is entirely",
}


def number(value: float | None) -> str:
    """Four decimals; a dash where there is no figure."""
    return "—" if value is None else f"{value:.4f}"


def level(report: Report) -> str:
    """The level of the report's intervals: ``95 %``."""
    return level_of(report_settings.level(report))


def interval(estimate: Estimate) -> str:
    """``0.1012 to 0.1098``; a dash where there is none."""
    if estimate.low is None or estimate.high is None:
        return "—"
    return f"{estimate.low:.4f} to {estimate.high:.4f}"


def verdict(report: Report) -> str:
    """The status in a sentence."""
    status, passed = report.summary.status, "" if not report.gates else ", and no gate failed"
    if status == "pass":
        return f"PASS: the logs join, and the figures can be read{passed}."
    if status == "fail":
        return "FAIL: the figures can be read, and are worse than a gate allows."
    if report.summary.reasons and all(reason.startswith(GATE) for reason in report.summary.reasons):
        return "HOLD: the figures can be read, but do not decide a gate."
    return "HOLD: the figures below cannot be relied on."


def also(report: Report) -> str:
    """What ``|inferred`` says, where a figure has it."""
    found = any(result.metric.endswith("|inferred") for result in report.results)
    return "; |inferred counts also the orphans that are credited to a list of the same user" if found else ""


def headline_results(report: Report) -> list[MetricResult]:
    """The metrics over all exposures."""
    return [result for result in report.results if not result.slice_key]


def slices(report: Report) -> Iterator[tuple[str, list[str], list[str], dict[tuple[str, str], Estimate]]]:
    """For each slice key: the key, its values, the headline metrics, and the estimate of each (value, metric)."""
    keys = list(dict.fromkeys(result.slice_key for result in report.results if result.slice_key))
    for key in keys:
        found = {(r.slice_value, r.metric): r.estimate for r in report.results if r.slice_key == key}
        metrics = list(dict.fromkeys(metric for _, metric in found if "|" not in metric))
        yield key, list(dict.fromkeys(value for value, _ in found)), metrics, found


def funnel(fates: Fates) -> list[tuple[str, int, str]]:
    """The way of the outcomes: (step, rows that are left, what was lost on the way to it)."""
    valid = fates.rows - fates.invalid
    distinct = valid - fates.duplicate
    matched = distinct - fates.orphan - fates.ambiguous
    late = fates.before_exposure + fates.after_window
    others = ((fates.user_mismatch, "of another user"), (fates.later_touch, "later touches"))
    refused = "".join(f", {count:,} {what}" for count, what in others if count)
    return [
        ("rows read", fates.rows, ""),
        ("valid", valid, f"{fates.invalid:,} invalid"),
        ("distinct", distinct, f"{fates.duplicate:,} duplicate"),
        ("matched", matched, f"{fates.orphan:,} orphan, {fates.ambiguous:,} ambiguous"),
        (
            "attributed",
            fates.attributed,
            f"{fates.not_in_list:,} not in the list, {late:,} outside their window{refused}",
        ),
    ]


def exposures_of(report: Report, key: str, value: str) -> int:
    """How many exposures a slice has."""
    told = next((part.exposures for part in report.data_quality.by if (part.key, part.value) == (key, value)), None)
    if told is not None:
        return told
    scores = (
        r for r in report.results if (r.slice_key, r.slice_value) == (key, value) and r.estimate.units is not None
    )
    return max((result.estimate.n for result in scores), default=0)  # of crossed slices the quality knows nothing


def of(rate: Rate) -> str:
    """``950 of 1,000``."""
    return f"{rate.numerator:,} of {rate.denominator:,}"

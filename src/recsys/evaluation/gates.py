"""Gates: bounds on how much a metric may get worse than in a baseline, judged by its interval and not by its value.

Each gate stands for itself, without a correction for their number: a run passes where none fails, so more gates make it
harder to pass by chance and not easier.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from recsys.contracts.report import Estimate, Report
from recsys.contracts.report_comparison import Change, GateResult, ReportComparison
from recsys.errors import UsageError
from recsys.evaluation import report_settings
from recsys.evaluation.offline_config import Gate
from recsys.evaluation.reports_compared import better, compare
from recsys.text import printable

GATE = "gate: "
"""How a reason begins that is a gate's."""


def check(gates: Sequence[Gate], baseline: Report | None) -> None:
    """UsageError where gates cannot be judged at all: they never pass for want of a baseline, or of its metric."""
    if not gates:
        return
    if baseline is None:
        hint = "Give --baseline with the report.json of the run that it is compared with, or remove offline.gates."
        raise UsageError("gates need a baseline", where="offline.gates", found="no --baseline", hint=hint)
    known = {result.metric for result in baseline.results if not result.slice_key}
    for gate in gates:
        if gate.metric not in known:
            raise UsageError(
                "the baseline does not have the metric of a gate",
                where="offline.gates", found=gate.metric, expected=", ".join(sorted(known)),
            )  # fmt: skip


def applied(gates: Sequence[Gate], baseline: Report | None, report: Report) -> Report:
    """The report with its comparison with the baseline, and with the verdict that gates make of it. Integrity comes
    first: a report on hold stays so, whatever its gates say of figures that cannot be relied on."""
    if baseline is None:
        return report
    comparison = compare(baseline, report)
    results = judge(gates, baseline, report, comparison)
    report = replace(report, comparison=comparison, gates=results)
    if not results:
        return report
    failed = [result for result in results if result.status == "fail"]
    undecided = [result for result in results if result.status == "inconclusive"]
    headline = f"{report.summary.headline} {_counted(len(results), len(failed), len(undecided))}"
    summary = replace(report.summary, headline=headline)
    if summary.status == "pass" and (failed or undecided):
        reasons = [f"{GATE}{name(result)}; {result.told}" for result in failed or undecided]
        summary = replace(summary, status="fail" if failed else "hold", reasons=reasons)
    return replace(report, summary=summary)


def _counted(results: int, failed: int, undecided: int) -> str:
    if results == failed + undecided == 1:
        return "Its gate failed." if failed else "Its gate is not decided."
    told = "Its gate passed" if results == 1 else f"Of {results} gates {results - failed - undecided} passed"
    told += f", {failed} failed" if failed else ""
    return told + (f", {undecided} are not decided." if undecided > 1 else ", 1 is not decided." if undecided else ".")


def judge(gates: Sequence[Gate], baseline: Report, candidate: Report, comparison: ReportComparison) -> list[GateResult]:
    """What each gate says; of one with a slice key, what it says of each value with enough users."""
    doubt = _doubt(baseline, candidate)
    found = []
    for gate in gates:
        results = list(_of_slices(gate, baseline, candidate, comparison)) if gate.slice_key else [
            _judged(gate, "", _find(comparison, gate.metric, "", ""))
        ]  # fmt: skip
        found += [replace(result, status="inconclusive", told=doubt) for result in results] if doubt else results
    return found


def _doubt(baseline: Report, candidate: Report) -> str:
    """Why no gate may be judged at all."""
    if baseline.mode != candidate.mode:
        return f"the baseline is a report of mode {baseline.mode}"
    if not report_settings.same_attribution(baseline, candidate):
        return "other outcomes count in the baseline: the attribution policies differ"
    if baseline.summary.status == "hold" and not report_settings.identical(baseline, candidate):
        return f"the baseline is on hold: {'; '.join(baseline.summary.reasons)}"
    return ""


def _find(comparison: ReportComparison, metric: str, key: str, value: str) -> Change | None:
    return next((c for c in comparison.changes if (c.metric, c.slice_key, c.slice_value) == (metric, key, value)), None)


def _of_slices(gate: Gate, baseline: Report, candidate: Report, comparison: ReportComparison) -> Iterator[GateResult]:
    """Of each value of the key that has enough users in a report."""
    users = [_users(report, gate.slice_key) for report in (baseline, candidate)]
    values = [
        value for value in {**users[1], **users[0]} if max(part.get(value, 0) for part in users) >= gate.min_users
    ]
    if not values:
        told = f"no value of {gate.slice_key} has {gate.min_users:,} users"
        yield _result(gate, "", "inconclusive", None, told)
    for value in sorted(values):
        for part, name in zip(users, ("baseline", "candidate"), strict=True):
            if value not in part:
                yield _result(gate, value, "inconclusive", None, f"it is missing in the {name}")
                break
            if part[value] < gate.min_users:
                told = f"the {name} has {part[value]:,} users of it, under {gate.min_users:,}"
                yield _result(gate, value, "inconclusive", None, told)
                break
        else:
            yield _judged(gate, value, _find(comparison, gate.metric, gate.slice_key, value))


def _users(report: Report, key: str) -> dict[str, int]:
    """Users by value of a slice key."""
    found: dict[str, int] = {}
    for result in report.results:
        if result.slice_key == key and result.estimate.units is not None:
            found[result.slice_value] = max(found.get(result.slice_value, 0), result.estimate.units)
    return found


def _judged(gate: Gate, value: str, change: Change | None) -> GateResult:
    if change is None:
        return _result(gate, value, "inconclusive", None, "it is in neither report")
    gain = _gain(gate.metric, change.change)
    if gain.low is None or gain.high is None:
        return _result(gate, value, "inconclusive", gain, gain.note or "there is no interval")
    bound = -gate.max_drop
    told = "no change" if gain.low == gain.high == 0 else f"from {gain.low:+.6g} to {gain.high:+.6g}"
    if gain.low >= bound:
        return _result(gate, value, "pass", gain, f"{told}: no drop of more than {gate.max_drop:g}")
    if gain.high < bound:
        return _result(gate, value, "fail", gain, f"{told}: a drop of more than {gate.max_drop:g}")
    return _result(
        gate, value, "inconclusive", gain, f"{told}: it may or may not be a drop of more than {gate.max_drop:g}"
    )


def _gain(metric: str, change: Estimate) -> Estimate:
    """Signed so that + is good."""
    if better(metric) == "higher" or change.value is None:
        return change
    low, high = change.low, change.high
    return replace(
        change, value=0.0 - change.value, low=None if high is None else 0.0 - high,
        high=None if low is None else 0.0 - low,
    )  # fmt: skip


def _result(gate: Gate, value: str, status: str, gain: Estimate | None, told: str) -> GateResult:
    return GateResult(
        metric=gate.metric, max_drop=gate.max_drop, slice_key=gate.slice_key, slice_value=value,
        status=status, gain=gain, told=told,  # type: ignore[arg-type]
    )  # fmt: skip


def name(gate: GateResult) -> str:
    """``ndcg@10 in surface home may drop by 0.01``."""
    where = f" by {gate.slice_key}" if gate.slice_key else ""
    if gate.slice_value:
        where = f" in {printable(gate.slice_key)} {printable(gate.slice_value)}"
    return f"{gate.metric}{where} may drop by {gate.max_drop:g}"

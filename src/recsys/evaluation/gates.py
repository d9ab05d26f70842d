"""Gates: bounds on how much a metric may get worse than in a baseline, judged by its interval and not by its value.

Each gate stands for itself, without a correction for their number: a run passes where none fails, so more gates make it
harder to pass by chance and not easier.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from recsys.contracts.report import CutSlices, Estimate, Report
from recsys.contracts.report_comparison import Change, GateResult, ReportComparison
from recsys.errors import UsageError
from recsys.evaluation import report_settings
from recsys.evaluation.metrics import parse
from recsys.evaluation.metrics.coverage import Coverage
from recsys.evaluation.metrics.gini import Gini
from recsys.evaluation.metrics.hit_rate import HitRate
from recsys.evaluation.metrics.novelty import Novelty
from recsys.evaluation.metrics.recall import Recall
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
    if baseline.version != candidate.version:
        return (
            f"the baseline is of version {baseline.version}, and this is {candidate.version}: what a metric counts may "
            "differ; make the baseline anew"
        )
    if not report_settings.same_attribution(baseline, candidate):
        return "other outcomes count in the baseline: the attribution policies differ"
    return _unfit(baseline, candidate)


def _unfit(baseline: Report, candidate: Report) -> str:
    """Why this baseline is none. That its own gates are not decided is no reason: its figures can be relied on."""
    if baseline.summary.status == "fail":
        return (
            f"the baseline failed its own gates ({'; '.join(baseline.summary.reasons)}): to hold the next run to it "
            "would accept what it lost; give the last run that passed"
        )
    reasons = integrity_reasons(baseline)
    unexplained = baseline.summary.status == "hold" and not baseline.summary.reasons
    if (reasons or unexplained) and not report_settings.identical(baseline, candidate):
        return f"the baseline is on hold: {'; '.join(reasons) or 'it does not say why'}"
    return ""


def integrity_reasons(report: Report) -> list[str]:
    """Why the figures cannot be relied on, without what gates say."""
    return [reason for reason in report.summary.reasons if not reason.startswith(GATE)]


def _find(comparison: ReportComparison, metric: str, key: str, value: str) -> Change | None:
    return next((c for c in comparison.changes if (c.metric, c.slice_key, c.slice_value) == (metric, key, value)), None)


def _of_slices(gate: Gate, baseline: Report, candidate: Report, comparison: ReportComparison) -> Iterator[GateResult]:
    """Of each value of the key that has enough users in a report."""
    users = [_users(report, gate.slice_key) for report in (baseline, candidate)]
    values = [
        value for value in {**users[1], **users[0]} if max(part.get(value, 0) for part in users) >= gate.min_users
    ]
    if not comparison.identical:
        yield from _beyond(gate, baseline, candidate)
    if not values:
        told = f"no value of {gate.slice_key} has {gate.min_users:,} users"
        yield _result(gate, "", "inconclusive", None, told)
    for value in sorted(values):
        for part, report, name in zip(users, (baseline, candidate), ("baseline", "candidate"), strict=True):
            if value not in part:
                missing = "is missing in" if _cut(report, gate.slice_key) is None else "is not among those reported of"
                yield _result(gate, value, "inconclusive", None, f"it {missing} the {name}")
                break
            if part[value] < gate.min_users:
                told = f"the {name} has {part[value]:,} users of it, under {gate.min_users:,}"
                yield _result(gate, value, "inconclusive", None, told)
                break
        else:
            yield _judged(gate, value, _find(comparison, gate.metric, gate.slice_key, value))


def _beyond(gate: Gate, baseline: Report, candidate: Report) -> Iterator[GateResult]:
    """Values that are not reported cannot be judged: none of those that the gate is about passes in silence."""
    for report, name in ((baseline, "baseline"), (candidate, "candidate")):
        cut = _cut(report, gate.slice_key)
        if cut is not None and cut.most_users >= gate.min_users:
            told = (
                f"{gate.slice_key} has {cut.values:,} values in the {name}, of which the {cut.reported:,} with the "
                f"most exposures are reported: others, of up to {cut.most_users:,} users, are not judged; a gate with "
                f"a min_users above that, or on a key with fewer values, leaves none out"
            )
            yield _result(gate, "", "inconclusive", None, told)


def _cut(report: Report, key: str) -> CutSlices | None:
    return next((each for each in report.cut_slices if each.key == key), None)


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
        told = "; ".join(filter(None, (gain.note or "there is no interval", _never(gate))))
        return _result(gate, value, "inconclusive", gain, told)
    bound = -gate.max_drop
    told = "no change" if gain.low == gain.high == 0 else f"from {gain.low:+.6g} to {gain.high:+.6g}"
    if gain.low >= bound:
        return _result(gate, value, "pass", gain, f"{told}: no drop of more than {gate.max_drop:g}")
    if gain.high < bound:
        return _result(gate, value, "fail", gain, f"{told}: a drop of more than {gate.max_drop:g}")
    return _result(
        gate, value, "inconclusive", gain, f"{told}: it may or may not be a drop of more than {gate.max_drop:g}"
    )


def _never(gate: Gate) -> str:
    """Of a gate that is decided on the same lists only, in which case there is an interval: what to use."""
    word, _, kind = gate.metric.partition("|")
    metric = parse(word)
    if isinstance(metric, Coverage | Gini | Novelty):
        if gate.slice_key:
            return (
                f"a gate on {word} by slice is decided on the same logs only: gate {word} without a slice_key, or a "
                "score such as ndcg@10 by slice"
            )
        return (
            f"a gate on {word} is decided at equal numbers of impressions only, such as the same requests replayed: "
            "between other logs gate a score such as ndcg@10"
        )
    if kind == "responded" and isinstance(metric, HitRate | Recall):
        return (
            f"of lists with a response most or all have {word} 1, wherever they are no longer than its cut: gate "
            f"{word} over all lists"
        )
    return ""


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

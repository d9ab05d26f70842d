"""Ship, hold or rollback: a pure function of the evidence that a ``decision.v1`` holds.

Integrity comes first: where the logs cannot be believed nothing else matters, and the answer is hold. Then what would
harm: a primary metric that is worse beyond chance, or a guardrail that fails, is a rollback. A ship needs all of it:
every primary metric better than its threshold, and every guardrail passed. Whatever else there is, is a hold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec.structs import replace

from recsys.contracts.decision import Check, Decision, Effect, Guardrail, Measured, Verdict
from recsys.evaluation.decision_words import needed_words, share, signed, told_effect, told_guardrail

NOT_ASKED = "no decision was asked for (decision.enabled is false)"
HARMFUL = ("error_rate", "empty_rate", "latency_")
"""Guardrails that fail where an arm is broken."""


def decide(evidence: Decision) -> Decision:
    """The same document with the decision, its reasons and the guardrails' statuses computed anew."""
    guardrails = [replace(guardrail, status=status(guardrail)) for guardrail in evidence.guardrails]
    judged = replace(evidence, guardrails=guardrails, harm_suspected=False)
    failed = [check for check in judged.integrity if not holds(check)]
    if not judged.integrity:
        return replace(judged, decision="hold", reasons=["nothing says whether the logs can be believed"])
    if failed:
        harmed = [each for each in guardrails if each.status == "fail" and each.metric.startswith(HARMFUL)]
        reasons = [check.told for check in failed]
        reasons += [f"harm is suspected: {told_guardrail(each)}" for each in harmed]
        return replace(judged, decision="hold", reasons=reasons, harm_suspected=bool(harmed))
    verdict, reasons = _of_effects(judged)
    return replace(judged, decision=verdict, reasons=reasons)


def _of_effects(evidence: Decision) -> tuple[Verdict, list[str]]:
    harms = [f"{told_effect(each)}: worse beyond chance" for each in evidence.metrics if worse(each)]
    harms += [told_guardrail(each) for each in evidence.guardrails if each.status == "fail"]
    if harms and evidence.rule.decides:
        return "rollback", harms
    lacking = [
        *harms,
        *_lacking(evidence),
        *(told_guardrail(each) for each in evidence.guardrails if each.status not in ("pass", "fail")),
    ]
    if not evidence.rule.may_ship:
        lacking.insert(0, _until_horizon(evidence))
    if not evidence.rule.decides:
        lacking.insert(0, NOT_ASKED)
    if lacking:
        return "hold", [*lacking, *needed_words(evidence.needed)]
    won = [f"{told_effect(each)}: better than {_threshold(each)}" for each in evidence.metrics if clears(each)]
    return "ship", [*won, *(told_guardrail(each) for each in evidence.guardrails)]


def _until_horizon(evidence: Decision) -> str:
    """Nothing ships before it; where it has passed and the data end before, how to say that they are whole."""
    horizon, until = evidence.rule.horizon, evidence.rule.data_until
    if horizon is None:
        return "the experiment runs until its declared horizon: nothing ships before it"
    told = f"the experiment runs until the declared horizon, {horizon:%Y-%m-%d %H:%M} UTC: nothing ships before it"
    if until is None or evidence.created_at < horizon:
        return told
    return (
        f"{told}. It has passed, and the log ends before it, at {until:%Y-%m-%d %H:%M} UTC: if nothing is missing, say "
        "so with as_of"
    )


def _lacking(evidence: Decision) -> list[str]:
    """Why the primary metrics do not suffice for a ship, beside those that are worse; empty where they do."""
    if not evidence.metrics:
        return ["there is no primary metric"]
    open_ones = [each for each in evidence.metrics if not clears(each)]
    if evidence.rule.primary == "any" and len(open_ones) < len(evidence.metrics):
        return []
    return [f"{told_effect(each)}: {_why_not(each)}" for each in open_ones if not worse(each)]


def holds(check: Check) -> bool:
    """Whether the figure is where it must be; one that is not known is not."""
    if check.value is None or math.isnan(check.value):
        return False
    if check.sense == "at least":
        return check.value >= check.limit
    return check.value <= check.limit if check.sense == "at most" else check.value < check.limit


def improvement(measured: Measured, *, relative: bool = False) -> tuple[float, float] | None:
    """The interval with + for better, None where there is none."""
    effect = measured.effect
    low, high = (effect.relative_low, effect.relative_high) if relative else (effect.low, effect.high)
    if low is None or high is None:
        return None
    return (low, high) if measured.better == "higher" else (-high, -low)


def worse(measured: Measured) -> bool:
    """Whether the primary metric is worse beyond chance."""
    found = improvement(measured)
    return not measured.too_few and found is not None and found[1] < 0


def clears(measured: Measured) -> bool:
    """Whether the primary metric is better than its threshold beyond chance."""
    found = improvement(measured, relative=measured.relative_threshold)
    if measured.too_few or found is None or not measured.effect.bounded:
        return False
    return found[0] > measured.threshold


def status(guardrail: Guardrail) -> str:
    """Pass only where the worst that the interval allows is within the margin or the limit."""
    if guardrail.limit is not None:
        return _status_of_limit(guardrail, guardrail.limit)
    margin = guardrail.margin
    if margin is None or not margin > 0 or guardrail.low is None or guardrail.high is None:
        return "inconclusive"
    if guardrail.high < margin:
        return "pass"
    return "fail" if guardrail.low > margin else "inconclusive"


def _status_of_limit(guardrail: Guardrail, limit: float) -> str:
    """A limit of 0 is about cases, and not about what they could be in other samples: the first one fails."""
    if limit == 0 and guardrail.cases is not None:
        if guardrail.candidate.n == 0:
            return "inconclusive"
        return "fail" if guardrail.cases else "pass"
    if guardrail.low is None or guardrail.high is None:
        return "inconclusive"
    if guardrail.high <= limit:
        return "pass"
    return "fail" if guardrail.low > limit else "inconclusive"


def _threshold(measured: Measured) -> str:
    if not measured.threshold:
        return "the control, beyond chance"
    told = share(measured.threshold) if measured.relative_threshold else signed(measured.threshold)
    return f"its threshold of {told}, beyond chance"


def _why_not(measured: Measured) -> str:
    effect: Effect = measured.effect
    if measured.too_few:
        return measured.too_few
    found = improvement(measured, relative=measured.relative_threshold)
    if found is None:
        return effect.note or "no interval can be given"
    if not effect.bounded:
        return "the relative effect has no bounds, for the control may be 0"
    return f"it may be no better than {_threshold(measured).removesuffix(', beyond chance')}"


def not_asked(decision: Decision) -> bool:
    """Whether the figures stand without a decision: none was asked for, and the logs can be believed."""
    return not decision.rule.decides and bool(decision.integrity) and all(map(holds, decision.integrity))


def exit_verdict(decisions: Sequence[Decision]) -> Verdict:
    """Of several candidates the gravest: a rollback, then a hold; ship only where every one ships. Hold of none."""
    verdicts = {each.decision for each in decisions}
    if "rollback" in verdicts:
        return "rollback"
    return "ship" if verdicts == {"ship"} else "hold"

"""The reasons of a decision in words."""

from __future__ import annotations

from collections.abc import Sequence

from recsys.contracts.decision import Guardrail, Measured, Needed


def signed(value: float) -> str:
    """``+0.0123``: four digits that matter, with the sign."""
    return f"{value:+.4g}"


def share(value: float) -> str:
    """``+4.1 %``."""
    return f"{value * 100:+.3g} %"


def told_effect(measured: Measured) -> str:
    """``ctr +0.012 (+4.1 %), 95 % interval +0.002 to +0.022``."""
    effect = measured.effect
    if effect.value is None:
        return f"{measured.metric} has no value: {effect.note}"
    told = f"{measured.metric} {signed(effect.value)}"
    if effect.relative is not None:
        told += f" ({share(effect.relative)})"
    if effect.low is None or effect.high is None or effect.level is None:
        return told
    return f"{told}, {effect.level * 100:.4g} % interval {signed(effect.low)} to {signed(effect.high)}"


def told_guardrail(guardrail: Guardrail) -> str:
    """``guardrail latency_p95 fails: worse by +31 %, interval +24 % to +38 %; the margin is +20 %``."""
    words = {"pass": "passes", "fail": "fails", "inconclusive": "is open"}[guardrail.status]
    told = f"guardrail {guardrail.metric} {words}"
    if guardrail.limit is not None:
        return f"{told}: {_level(guardrail)}; the limit is {guardrail.limit:g}{_note(guardrail)}"
    if guardrail.margin is None or guardrail.value is None:
        return f"{told}: {guardrail.note or 'it has no value'}"
    spelt = share if guardrail.relative else signed
    told += f": worse by {spelt(guardrail.value)}"
    if guardrail.low is not None and guardrail.high is not None:
        told += f", interval {spelt(guardrail.low)} to {spelt(guardrail.high)}"
    return f"{told}; the margin is {spelt(guardrail.margin)}{_note(guardrail)}"


def _level(guardrail: Guardrail) -> str:
    if guardrail.limit == 0 and guardrail.cases is not None:
        return f"{guardrail.cases:,} cases in {guardrail.candidate.n:,}"
    if guardrail.value is None or guardrail.low is None or guardrail.high is None:
        return guardrail.note or "the candidate has no value"
    return f"the candidate is at {guardrail.value:.4g}, interval {guardrail.low:.4g} to {guardrail.high:.4g}"


def _note(guardrail: Guardrail) -> str:
    return f" ({guardrail.note})" if guardrail.note and guardrail.value is not None else ""


def needed_words(needed: Sequence[Needed]) -> list[str]:
    """How many more units the declared effects need. It is never reckoned from the effect that was seen."""
    told = []
    for each in needed:
        if each.effect is None or each.units is None:
            told.append(
                each.note or f"no effect of {each.metric} was declared, so nothing says how many units it needs"
            )
        elif each.units > each.have:
            told.append(
                f"an effect of {share(each.effect)} on {each.metric} is found with {each.power:.0%} power from "
                f"{each.units:,} units on: {each.units - each.have:,} more than the {each.have:,} that there are"
            )
        else:
            told.append(
                f"{each.have:,} units suffice to find an effect of {share(each.effect)} on {each.metric} with "
                f"{each.power:.0%} power, so it is likely to be smaller than that"
            )
    return told

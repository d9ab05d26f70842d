"""An experiment in sentences: the verdict, what each figure means for somebody who never heard of it, and the few lines
for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from recsys.contracts.decision import Decision, Effect, Guardrail, Measured, Needed, Rule
from recsys.contracts.experiment import Candidate, DayEffect, ExperimentReport, Interaction, SliceEffect
from recsys.contracts.report import Report
from recsys.evaluation.decision import clears, worse
from recsys.evaluation.render import digits
from recsys.evaluation.render import experiment_terms as terms
from recsys.text import printable
from recsys.text import slice_value as shown

__all__ = ["shown"]

MAX_REASONS = 12
RATIO_CHECK = "sample ratio"
"""The name of the check of integrity that is about it."""
MEANINGS = {
    "ship": "it is better on what was declared beforehand, and nothing that was guarded got worse",
    "hold": "nothing is decided: neither ship it nor take it back on the strength of these data",
    "rollback": "it does harm, beyond chance: take it back",
}


def decisions(report: ExperimentReport) -> list[Decision]:
    """One for each candidate."""
    return [candidate.decision for candidate in report.candidates]


def title(report: Report) -> str:
    """``Experiment exp-1``."""
    found = report.experiment
    return "Experiment" if found is None else f"Experiment {shown(found.trial.experiment_id)}"


def asked(report: Report) -> bool:
    """Whether a decision was asked for: else the figures stand without one, if the logs can be believed."""
    return report.summary.status != "pass"


def verdict(report: Report, decision: Decision) -> str:
    """``SHIP``."""
    return decision.decision.upper() if asked(report) else "NOT DECIDED"


def meaning(report: Report, decision: Decision) -> str:
    """What the verdict asks for."""
    told = MEANINGS[decision.decision]
    return told if asked(report) else f"no decision was asked for; by the rules it would be {decision.decision}: {told}"


def notes(report: Report) -> list[str]:
    """Of the experiment and of its logs, each once."""
    of_trial = [] if report.experiment is None else report.experiment.trial.notes
    return list(dict.fromkeys([*of_trial, *report.warnings]))


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    text = printable(text)
    return text if not text else f"{text[0].upper()}{text[1:]}{'' if text.endswith(('.', '…', '?')) else '.'}"


def interval_words(rule: Rule) -> str:
    """What an interval is, under this rule."""
    misses = f"{digits.level(rule.alpha)} of experiments"
    first = "An interval is the range of changes that the data leave plausible."
    if rule.sequence:
        return (
            f"{first} It holds at every look: whoever looks often, and stops at any time, is still wrong in at most "
            f"{misses}. For that it is wider than one for a single look."
        )
    return (
        f"{first} It is made for this one look, and wrong in at most {misses}; it does not hold for looks in between."
    )


def rule_words(rule: Rule) -> list[str]:
    """When is decided, and how the error is shared."""
    lines = [sentence(rule.told)] if rule.told else []
    needs = "every primary metric must clear its threshold" if rule.primary == "all" else "one primary metric suffices"
    error = f"Allowed error {digits.level(rule.alpha)}; {needs}"
    if rule.alpha_each != rule.alpha:
        error += f"; each interval of a primary metric has {digits.level(rule.alpha_each)} of it"
        error += f", shared by {rule.candidates} candidates" if rule.candidates > 1 else ""
    lines.append(f"{error}.")
    if rule.data_until is not None:
        lines.append(f"Data until {rule.data_until:%Y-%m-%d %H:%M:%S} UTC.")
    return lines


def standing(measured: Measured) -> str:
    """What the interval of a primary metric says."""
    if clears(measured):
        return "better"
    return "worse" if worse(measured) else "open"


STANDINGS = {
    "better": "better than its threshold, beyond chance",
    "worse": "worse than the control, beyond chance",
    "open": "open: it is neither shown to be better than its threshold nor to be worse",
}


def threshold(measured: Measured) -> str:
    """What an improvement must exceed."""
    if not measured.threshold:
        return "more than no improvement at all"
    spelt = digits.percent if measured.relative_threshold else digits.number
    return f"an improvement of more than {spelt(measured.threshold, sign=False)}"


def allowed(rail: Guardrail) -> str:
    """The margin or the limit."""
    if rail.limit is not None:
        return f"at most {digits.number(rail.limit)}"
    if rail.margin is None:
        return digits.NONE
    spelt = digits.percent(rail.margin, sign=False) if rail.relative else digits.number(rail.margin)
    return f"harm under {spelt}"


def found(p: float | None, alpha: float, value: float | None, better: str) -> str:
    """Whether a change that does not decide counts as found."""
    if p is None or value is None:
        return "not tested"
    if p >= alpha or value == 0:
        return "no change found"
    return "better" if (value > 0) == (better == "higher") else "worse"


def spelt(effect: Effect) -> str:
    """``+0.01, interval -0.01 to +0.03; relative +10 %, interval -10 % to +30 %``."""
    told = f"{digits.signed(effect.value)}, interval {digits.interval(effect.low, effect.high)}"
    if effect.relative is None:
        return told
    ends = digits.interval(effect.relative_low, effect.relative_high, relative=True)
    return (
        f"{told}; relative {digits.percent(effect.relative)}, interval {ends if effect.bounded else 'without bounds'}"
    )


def how(effect: Effect | Guardrail) -> str:
    """``95 % interval: …; it contains: …``."""
    if effect.low is None or not effect.method:
        return ""
    inside = "; ".join(effect.corrections)
    return f"{digits.level(effect.level)} interval: {effect.method}" + (f". It contains: {inside}" if inside else "")


def hows(effects: Iterable[tuple[str, Effect | Guardrail]]) -> Iterator[str]:
    """How the intervals of many figures are made, each way once with the figures that it is of."""
    ways: dict[str, list[str]] = {}
    for name, effect in effects:
        if told := how(effect):
            ways.setdefault(told, []).append(name)
    for told, names in ways.items():
        yield f"{told}." if len(ways) == 1 else f"{', '.join(dict.fromkeys(names))}: {told}."


def named(found: Iterable[Measured | Guardrail | SliceEffect | DayEffect]) -> list[tuple[str, Effect | Guardrail]]:
    """The effects with the names of their metrics."""
    return [(each.metric, each if isinstance(each, Guardrail) else each.effect) for each in found]


def levels(measured: Iterable[Measured]) -> str:
    """At which level intervals are: ``95 %``."""
    found = dict.fromkeys(digits.level(each.effect.level) for each in measured if each.effect.level is not None)
    return " and ".join(found) or "no level, for there is no interval"


def beside(found: Iterable[Measured]) -> list[str]:
    """The estimates that are not the one that counts, and what was adjusted, with the metrics' names."""
    told = []
    for each in found:
        for name, effect in (("unadjusted", each.unadjusted), ("uncapped", each.uncapped)):
            if effect is not None:
                told.append(f"{each.metric}, {name}: {spelt(effect)}.")
        told += [f"{each.metric}: {line}" for line in adjustment(each)]
    return told


def adjustment(measured: Measured) -> list[str]:
    """What CUPED and the cap did, in words; the cap only where the interval does not tell of it."""
    told = []
    if (cuped := measured.cuped) is not None:
        lacking = ", ".join(f"{shown(arm)} {count:,}" for arm, count in cuped.missing.items())
        first = f"CUPED takes away what {printable(cuped.covariate)} explains"
        used = "" if cuped.used else "; it is not used"
        gain = "" if cuped.reduction is None else f": {digits.percent(cuped.reduction, sign=False)} of the variance"
        told.append(f"{first}{gain}{used}. Users without it: {lacking or 'none'}.")
        if cuped.balance_p is not None:
            told.append(
                f"Before the start the arms differ in it by {digits.signed(cuped.balance)} (p = "
                f"{digits.p(cuped.balance_p)}), which chance decides where nothing is wrong."
            )
        told += [sentence(cuped.note)] if cuped.note else []
    if (cap := measured.cap) is not None and not any("capped" in each for each in measured.effect.corrections):
        which = "declared" if cap.quantile is None else f"quantile {cap.quantile:g} of those that are not 0"
        told.append(f"A user counts with at most {digits.number(cap.value)} ({which}); {cap.units:,} users are cut.")
    return told


def sample_ratio(report: ExperimentReport) -> list[str]:
    """The evidence against the declared shares, and where there is one look only, what that found."""
    told, running, ratio = [], report.running_sample_ratio, report.trial.sample_ratio
    if running is not None and running.note:
        told.append(sentence(running.note))
    elif running is not None and running.log_e is not None:
        alarm = "ALARM" if running.alarm else "No alarm"
        told.append(
            f"{alarm}: the evidence is {digits.odds(running.log_e)} the declared shares; the alarm is at "
            f"{running.limit:,.0f} to 1 against them. It may be looked at as often as one likes."
        )
    checks = [each for one in decisions(report) for each in one.integrity if not one.rule.sequence]
    told += [sentence(each.told) for each in checks[::-1] if each.name == RATIO_CHECK][:1]
    declared = "The shares were declared." if ratio.declared else "No shares were declared, so equal ones are expected."
    return [*told, declared]


def interaction(each: Interaction, alpha: float) -> str:
    """Does the effect differ between the slices of a key?"""
    if each.p is None:
        return f"Whether the effect differs by {shown(each.key)} cannot be said: {each.note or 'there is no test'}."
    p = each.p if each.adjusted_p is None else each.adjusted_p
    said = "It differs" if p < alpha else "No difference is shown"
    return (
        f"{said} between the {each.slices:,} values of {shown(each.key)} (p = {digits.p(each.p)}, adjusted "
        f"{digits.p(each.adjusted_p)}{f'; {each.note}' if each.note else ''})."
    )


def differing(candidate: Candidate) -> list[Interaction]:
    """The keys between whose values the effect differs beyond chance."""
    alpha = candidate.decision.rule.alpha
    return [each for each in candidate.interactions if each.adjusted_p is not None and each.adjusted_p < alpha]


def needed(each: Needed) -> str:
    """What the sample suffices for."""
    have = f"{each.have:,} users"
    least = (
        f"With the {have} that there are, an effect of {digits.percent(each.minimum_effect, sign=False)} is found with "
        f"{each.power:.0%} power."
        if each.minimum_effect is not None and math.isfinite(each.minimum_effect)
        else f"There are {have}."
    )
    if each.effect is None or each.units is None:
        return f"{least} {sentence(each.note or 'no effect was declared, so nothing says how many users it needs')}"
    return f"The declared effect of {digits.percent(each.effect, sign=False)} needs {each.units:,} users. {least}"


def summary(report: Report) -> str:
    """The few lines that a terminal shows beside the report."""
    lines = []
    for decision in [] if report.experiment is None else decisions(report.experiment):
        arms = f"{shown(decision.candidate)} against {shown(decision.control)}"
        lines.append(f"{verdict(report, decision)} {arms} in {shown(decision.experiment_id)}")
        lines += [f"  {printable(reason)}" for reason in decision.reasons[:MAX_REASONS]]
        more = len(decision.reasons) - MAX_REASONS
        lines += [f"  … {more} more reasons are in the report"] if more > 0 else []
        lines += [f"  {terms.HARM}"] if decision.harm_suspected else []
    if not lines:
        lines = [f"{report.summary.status.upper()}: {printable(report.summary.headline)}"]
        lines += [f"  {printable(reason)}" for reason in report.summary.reasons]
    return "\n".join(lines) + "\n"

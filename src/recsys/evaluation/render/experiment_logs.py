"""The tables of what an experiment's logs hold: integrity, who counts, the sample ratio, maturity, families."""

from __future__ import annotations

import math
from collections.abc import Sequence

from recsys.contracts.decision import Check, Decision
from recsys.contracts.experiment import Corrections, ExperimentReport, Maturity, Source
from recsys.contracts.trial import Bounds, Trial
from recsys.evaluation.decision import holds
from recsys.evaluation.render import digits
from recsys.evaluation.render import experiment_words as words
from recsys.evaluation.render.cells import FAIL, PASS, Cell, Cells, Name, filled, table
from recsys.evaluation.trial_text import LEFT_OUT
from recsys.text import printable

METHODS = {
    "benjamini_hochberg": "Benjamini-Hochberg: of what counts as found, at most this share is false, on average",
    "holm": "Holm: at most this chance of any false finding",
    "bonferroni": "Bonferroni: at most this chance of any false finding",
    "none": "none: each question for itself",
}


def checks(decisions: Sequence[Decision]) -> Cells:
    """Each question once, with the candidates that it is about where there are several."""
    about: dict[Check, list[str]] = {}
    for decision in decisions:
        for check in decision.integrity:
            about.setdefault(check, []).append(decision.candidate)
    several = len(decisions) > 1
    rows: list[list[Cell]] = []
    for check, candidates in about.items():
        whose = "all" if len(candidates) == len(decisions) else ", ".join(map(words.shown, candidates))
        rows.append(
            [
                words.shown(check.name), PASS if holds(check) else FAIL, words.sentence(check.told),
                *_figures(check), whose if several else "",
            ]
        )  # fmt: skip
    return filled(table("lllrrl", ["question", "result", "in words", "found", "must be", "candidate"], rows))


def _figures(check: Check) -> tuple[str, str]:
    """What was found, and what it had to be. Evidence is told as odds, for its logarithm says nothing to anybody."""
    if check.name == words.RATIO_CHECK and check.sense == "below":
        found = digits.NONE if check.value is None else digits.odds(check.value).removesuffix(", which is in favour of")
        return found.removesuffix(" against"), f"below {math.exp(check.limit):,.0f} to 1"
    return digits.number(check.value), f"{check.sense} {digits.number(check.limit)}"


def failed(decisions: Sequence[Decision]) -> list[Check]:
    """The questions whose answer is a hold, each once."""
    return list(dict.fromkeys(check for each in decisions for check in each.integrity if not holds(check)))


def arms(trial: Trial) -> Cells:
    """What each arm holds."""
    rows: list[list[Cell]] = [
        [
            Name(arm.variant), digits.count(arm.units), digits.count(trial.sample_ratio.expected.get(arm.variant)),
            *map(digits.count, (arm.in_two_arms, arm.exposed, arm.exposures, arm.empty, arm.error, arm.clicks)),
            digits.count(arm.conversions), digits.number(arm.value),
        ]
        for arm in trial.arms
    ]  # fmt: skip
    headings: list[Cell] = [
        "arm", "users", "expected", "in two arms", "with an exposure", "exposures", "empty", "error", "clicks",
        "conversions", "value",
    ]  # fmt: skip
    return table("l" + "r" * 10, headings, rows)


def exposures(trial: Trial) -> Cells:
    """Those that count, and those that do not, with the reason."""
    left_out = ((why, getattr(trial.exposures, name)) for name, why in LEFT_OUT.items())
    rows: list[list[Cell]] = [["they count", digits.count(trial.exposures.counts)]]
    rows.extend([f"they do not: {why}", digits.count(count)] for why, count in left_out if count)
    return table("lr", ["exposures", "how many"], rows)


def unjoined(trial: Trial) -> Cells:
    """What differences could be, if all that did not join were known."""
    rows: list[list[Cell]] = [
        [
            each.metric, Name(each.label), digits.signed(each.estimate.value), digits.count(each.estimate.n),
            digits.NONE if each.bounds is None else digits.interval(each.bounds.low.value, each.bounds.high.value),
            _turns(each.bounds), "" if each.bounds is None else each.bounds.note,
        ]
        for each in trial.effects
    ]  # fmt: skip
    headings: list[Cell] = ["metric", "arms", "change", "n", "range", "the sign turns at", "note"]
    return filled(table("llrrrll", headings, rows))


def _turns(bounds: Bounds | None) -> str:
    if bounds is None:
        return "nothing can change it"
    return "not even all of them" if bounds.flips is None else f"{bounds.flips:.0%} of them against it"


def ratio(trial: Trial) -> Cells:
    """Units by arm, and what they should be."""
    found = trial.sample_ratio
    rows: list[list[Cell]] = []
    for arm in dict.fromkeys([*found.expected, *found.observed]):
        seen, wanted = found.observed.get(arm, 0), found.expected.get(arm)
        off = digits.percent(seen / wanted - 1) if wanted else digits.NONE
        rows.append([Name(arm), digits.count(seen), digits.count(wanted), off])
    return table("lrrr", ["arm", "users", "expected", "off by"], rows)


def sources(found: Sequence[Source]) -> Cells:
    """Where a mismatch may come from."""
    named = list(dict.fromkeys(arm for each in found for arm in (*each.expected, *each.observed)))
    rows: list[list[Cell]] = [
        [
            Name(each.key), Name(each.value),
            *(f"{each.observed.get(arm, 0):,} / {digits.count(each.expected.get(arm))}" for arm in named),
            digits.percent(each.share, sign=False), digits.p(each.p),
        ]
        for each in found
    ]  # fmt: skip
    headings: list[Cell] = ["key", "value", *map(Name, named), "of the mismatch", "p"]
    return table("ll" + "r" * (len(named) + 2), headings, rows, 20)


def independence(trial: Trial) -> Cells:
    """Against other experiments on the same users."""
    rows: list[list[Cell]] = [
        [Name(each.other), digits.count(each.units), digits.p(each.p), each.note] for each in trial.independence
    ]
    return filled(table("lrrl", ["other experiment", "users in both", "p", "note"], rows))


def maturity(found: Sequence[Maturity]) -> Cells:
    """How late outcomes come."""
    rows: list[list[Cell]] = [
        [
            each.event_type, digits.count(each.outcomes), *map(digits.span, (each.p50_s, each.p90_s, each.p99_s)),
            "no limit" if each.window_s is None else digits.span(each.window_s),
            digits.percent(each.young, sign=False), each.note,
        ]
        for each in found
    ]  # fmt: skip
    headings: list[Cell] = [
        "outcome", "how many", "half within", "90 % within", "99 % within", "window", "lists too young", "note",
    ]  # fmt: skip
    return filled(table("lrrrrrrl", headings, rows))


def families(report: ExperimentReport) -> Cells:
    """What was corrected together."""

    def row(each: Corrections) -> list[Cell]:
        told = METHODS.get(each.method, each.method)
        return [printable(each.family), digits.count(each.tests), told, digits.level(each.alpha)]

    return table("lrlr", ["family", "questions", "method", "level"], [row(each) for each in report.families])

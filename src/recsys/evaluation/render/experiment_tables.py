"""The tables of an experiment's effects: primary metrics, guardrails, secondary metrics, slices, days."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from recsys.contracts.decision import Decision, Effect, Guardrail, Measured, Needed
from recsys.contracts.estimate import Estimate
from recsys.contracts.experiment import Candidate, DayEffect, SliceEffect
from recsys.evaluation.render import digits
from recsys.evaluation.render import experiment_words as words
from recsys.evaluation.render.cells import FAIL, OPEN, PASS, Cell, Cells, Name, Result, filled, table

MAX_SLICES = 20
MAX_DAYS = 62


def primary(decision: Decision) -> Cells:
    """All primary metrics in a row each: the table for those who read one."""
    rows = [
        [each.metric, STANDINGS[words.standing(each)], *_levels(each), *_change(each.effect),
         _n(each.control, each.candidate), _users(each.control, each.candidate)]
        for each in decision.metrics
    ]  # fmt: skip
    headings = ["metric", "result", *_arms(decision), *CHANGE, "n", "users"]
    return table("ll" + "r" * (len(headings) - 2), headings, rows)


CHANGE = ("change", "interval", "relative", "relative interval")
STANDINGS = {"better": Result("better", "good"), "worse": Result("worse", "bad"), "open": OPEN}
FOUND = {**STANDINGS, **{told: Result(told) for told in ("no change found", "not tested")}}


def effects(measured: Measured) -> Cells:
    """The effect that decides, and those that stand beside it."""
    beside = (("unadjusted", measured.unadjusted), ("uncapped", measured.uncapped))
    kinds = [(_name_of(measured), measured.effect), *((name, effect) for name, effect in beside if effect is not None)]
    rows: list[list[Cell]] = [
        [name, *_change(effect), digits.p(effect.p), digits.level(effect.level), effect.note] for name, effect in kinds
    ]
    return filled(table("lrrrrrrl", ["effect", *CHANGE, "p", "level", "note"], rows))


def _name_of(measured: Measured) -> str:
    done = ["adjusted"] if measured.unadjusted is not None else []
    done += ["capped"] if measured.cap is not None else []
    return f"decides ({', '.join(done)})" if done else "decides"


def levels(measured: Measured, decision: Decision) -> Cells:
    """The level of both arms, each with an interval of its own."""
    rows: list[list[Cell]] = []
    for arm, estimate in ((decision.control, measured.control), (decision.candidate, measured.candidate)):
        nonzero = measured.nonzero.get(arm)
        rows.append(
            [
                Name(arm), digits.number(estimate.value), digits.interval(estimate.low, estimate.high, sign=False),
                _level(estimate), digits.count(estimate.n), digits.count(estimate.units), digits.count(nonzero),
                estimate.method, estimate.note,
            ]
        )  # fmt: skip
    headings = ["arm", "level", "interval", "of", "n", "users", "users not at 0", "method", "note"]
    return filled(table("lrrrrrrll", headings, rows))


def guardrails(decision: Decision) -> Cells:
    """Each with what is compared, and with what."""
    rows: list[list[Cell]] = [
        [
            each.metric, RESULTS[each.status], _compared(each), _guarded(each),
            _bounds(each), words.allowed(each),
            digits.level(each.level), digits.number(each.control.value), digits.number(each.candidate.value),
            _n(each.control, each.candidate), _users(each.control, each.candidate), each.note,
        ]
        for each in decision.guardrails
    ]  # fmt: skip
    headings = [
        "guardrail", "result", "what", "value", "interval", "allowed", "level", *_arms(decision), "n", "users", "note",
    ]  # fmt: skip
    return filled(table("lllrrrrrrrrl", headings, rows))


RESULTS = {"pass": PASS, "fail": FAIL, "inconclusive": OPEN}


def _compared(rail: Guardrail) -> str:
    if rail.limit is not None:
        return "level of the candidate"
    return "harm, relative" if rail.relative else "harm"


def _guarded(rail: Guardrail) -> str:
    if rail.limit is not None:
        cases = "" if rail.cases is None else f" ({rail.cases:,} cases)"
        return f"{digits.number(rail.value)}{cases}"
    return digits.amount(rail.value, relative=rail.relative)


def _bounds(rail: Guardrail) -> str:
    relative = rail.relative and rail.limit is None
    return digits.interval(rail.low, rail.high, relative=relative, sign=rail.limit is None)


def described(measured: Sequence[Measured], decision: Decision) -> Cells:
    """Metrics that do not decide."""
    alpha = decision.rule.alpha
    adjusted = any(each.adjusted_p is not None for each in measured)
    rows: list[list[Cell]] = []
    for each in measured:
        corrected = each.effect.p if each.adjusted_p is None else each.adjusted_p
        said = FOUND[words.found(corrected, alpha, each.effect.value, each.better)]
        rows.append(
            [
                each.metric, said, *_levels(each), *_change(each.effect), digits.p(each.effect.p),
                digits.p(each.adjusted_p) if adjusted else "", digits.level(each.effect.level),
                _n(each.control, each.candidate), _users(each.control, each.candidate), _notes(each),
            ]
        )  # fmt: skip
    headings = [
        "metric", "result", *_arms(decision), *CHANGE, "p", "adjusted p", "level", "n", "users", "note",
    ]  # fmt: skip
    return filled(table("llrrrrrrrrrrrl", headings, rows))


def _notes(each: Measured) -> str:
    return "; ".join(dict.fromkeys(part for part in (each.effect.note, each.control.note) if part))


def slices(candidate: Candidate) -> list[tuple[str, str, list[SliceEffect], Cells]]:
    """For each key and metric: the slices that are drawn, those with the most users, and their table."""
    found = []
    groups: dict[tuple[str, str], list[SliceEffect]] = {}
    for each in candidate.slices:
        groups.setdefault((each.key, each.metric), []).append(each)
    for (key, metric), group in groups.items():
        largest = sorted(group, key=lambda each: (-_units(each.control, each.candidate), each.value))
        found.append((key, metric, largest[:MAX_SLICES], _slices(key, metric, largest, candidate.decision)))
    return found


def _slices(key: str, metric: str, largest: Sequence[SliceEffect], decision: Decision) -> Cells:
    alpha = decision.rule.alpha
    better = next((each.better for each in decision.metrics if each.metric == metric), "higher")
    rows: list[list[Cell]] = []
    for each in largest:
        corrected = each.effect.p if each.adjusted_p is None else each.adjusted_p
        rows.append(
            [
                Name(each.value), FOUND[words.found(corrected, alpha, each.effect.value, better)], *_levels(each),
                *_change(each.effect), digits.p(each.effect.p), digits.p(each.adjusted_p),
                digits.level(each.effect.level), _n(each.control, each.candidate),
                _users(each.control, each.candidate), each.effect.note,
            ]
        )  # fmt: skip
    headings = [
        Name(key), "result", *_arms(decision), *CHANGE, "p", "adjusted p", "level", "n", "users", "note",
    ]  # fmt: skip
    return filled(table("llrrrrrrrrrrrl", headings, rows, MAX_SLICES))


def days(of_metric: Sequence[DayEffect], decision: Decision) -> Cells:
    """The last days, each with its exposures by arm."""
    rows: list[list[Cell]] = [
        [
            each.day, digits.count(each.control.n), digits.count(each.candidate.n), *_levels(each),
            *_change(each.effect), digits.level(each.effect.level), _users(each.control, each.candidate),
            each.effect.note,
        ]
        for each in of_metric[::-1]
    ]  # fmt: skip
    headings = ["day (UTC)", "n of control", "n of candidate", *_arms(decision), *CHANGE, "level", "users", "note"]
    return filled(table("lrrrrrrrrrrl", headings, rows, MAX_DAYS))


def by_metric(found: Iterable[DayEffect]) -> dict[str, list[DayEffect]]:
    """Days by metric, in order."""
    groups: dict[str, list[DayEffect]] = {}
    for each in found:
        groups.setdefault(each.metric, []).append(each)
    return groups


def needed(found: Sequence[Needed]) -> Cells:
    """What sample the declared effects need."""
    rows: list[list[Cell]] = [
        [
            each.metric, digits.percent(each.effect, sign=False), digits.level(each.power), digits.count(each.units),
            digits.count(each.have), digits.percent(each.minimum_effect, sign=False), each.note,
        ]
        for each in found
    ]  # fmt: skip
    headings = ["metric", "declared effect", "power", "users needed", "users so far", "smallest effect now", "note"]
    return filled(table("lrrrrrl", headings, rows))


def _arms(decision: Decision) -> list[Cell]:
    return [Name(decision.control), Name(decision.candidate)]


def _levels(each: Measured | SliceEffect | DayEffect) -> list[str]:
    return [digits.number(each.control.value), digits.number(each.candidate.value)]


def _change(effect: Effect) -> list[str]:
    relative = digits.interval(effect.relative_low, effect.relative_high, relative=True)
    return [
        digits.signed(effect.value), digits.interval(effect.low, effect.high), digits.percent(effect.relative),
        "no bounds" if effect.low is not None and not effect.bounded else relative,
    ]  # fmt: skip


def _level(estimate: Estimate) -> str:
    return "" if estimate.level is None else digits.level(estimate.level)


def _n(*estimates: Estimate) -> str:
    return digits.count(sum(each.n for each in estimates))


def _units(*estimates: Estimate) -> int:
    return sum(each.units or 0 for each in estimates)


def _users(*estimates: Estimate) -> str:
    return digits.NONE if any(each.units is None for each in estimates) else digits.count(_units(*estimates))

"""Traffic that is nobody's: subjects with impossible rates, and lists that were logged and never rendered."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from recsys.attribution.doctor.breakdown import percent, told_value
from recsys.attribution.doctor.case import SLICE_OF, Case, text
from recsys.attribution.doctor.symptoms import Detector, Limits, Rows, Shift, Symptom, graded

CHANCE = 1e-6
PARTS = 10


def _look_for_bots(case: Case, limits: Limits) -> list[Symptom]:
    """A person does not look at more than ``per_minute`` lists in a minute or ``per_day`` in a day, nor clicks more
    than ``outcomes_per_minute`` times. Of such subjects one is a ``warning`` (0: any), and from ``serious`` (1 % of the
    exposures) on they move the figures.
    """
    case.table("subject_peaks")
    too_much = (
        f"exposures_minute > {limits['per_minute']:g} OR exposures_day > {limits['per_day']:g} "
        f"OR outcomes_minute > {limits['outcomes_per_minute']:g}"
    )
    subjects, n, outcomes, minute, day = case.one(
        "SELECT count(*), coalesce(sum(exposures), 0), coalesce(sum(outcomes), 0), max(exposures_minute), "
        f"max(exposures_day) FROM subject_peaks WHERE {too_much}"
    )
    of = case.quality.exposures.distinct
    severity = graded(int(n), of, limits)
    if severity is None:
        return []
    theirs = f"user_id IN (SELECT user_id FROM subject_peaks WHERE {too_much}) AND NOT anonymous"
    first, last = case.one(f"SELECT min(ts_us), max(ts_us) FROM exposures WHERE {theirs}")
    metric, *_ = case.headline
    kind = "conversion" if metric == "conversion_rate" else "click"
    (clicks,) = case.one(
        "SELECT count(*) FROM outcome_fates WHERE fate = 'attributed' AND NOT anonymous "
        f"AND event_type = {text(kind)} AND exposure_user_id IN (SELECT user_id FROM subject_peaks WHERE {too_much})"
    )
    return [
        Symptom(
            severity=severity,
            cause=(
                f"{subjects:,} subject{'s have' if subjects > 1 else ' has'} rates that no person has: up to "
                f"{minute:,} lists in a minute and {day:,} in a day; they have {percent(int(n) / of)} of the exposures."
            ),
            fix=(
                "Take known crawlers and test clients out before they ask, or leave their exposures out of the logs. "
                "Where it is an id that many people share (a default such as guest), send their request_id as user_id."
            ),
            log="exposures",
            n=int(n),
            of=of,
            rows=Rows(query=f"SELECT request_id AS row FROM exposures WHERE {theirs}"),
            first_us=first,
            last_us=last,
            facts=[f"They have {int(outcomes):,} outcomes."],
            shift=Shift(exposures_extra=int(n), clicks_extra=clicks, note="As if they had not come."),
        )
    ]


class _Answered(NamedTuple):
    """Exposures that have items, and those of them with an outcome."""

    n: int
    joined: int

    def and_also(self, more: _Answered) -> _Answered:
        """Both together."""
        return _Answered(self.n + more.n, self.joined + more.joined)

    def other_than(self, part: _Answered) -> _Answered:
        """All but a part."""
        return _Answered(self.n - part.n, self.joined - part.joined)


def _look_for_unrendered(case: Case, limits: Limits) -> list[Symptom]:
    """Lists were never rendered where those of a context value have hardly any outcome though the others have: at most
    ``less`` (a tenth) of what they should have by the others' rate at the same time, three of its standard errors taken
    off, which chance gives with a probability under 10⁻⁶ over the number of values. Surfaces and tenants may differ
    that much by their nature: of them at most ``less_by_place`` (a fiftieth) is asked.

    And where a list that another one of the same user and surface takes the place of within ``replaced_seconds`` (2)
    hardly ever has one: it was fetched ahead of its time, or nobody had the time to look at it. (Who looks at a list
    for longer may ask for another instead of clicking.) Only lists that have items can be answered, so others do not
    count. Any are a ``warning`` (0); from ``serious`` (5 % of the exposures) on they move the figures.
    """
    case.table("exposure_buckets")
    n, joined = case.one("SELECT coalesce(sum(n - empty), 0), coalesce(sum(answered), 0) FROM exposure_buckets")
    whole = _Answered(int(n), int(joined))
    return [*_by_value(case, whole, limits), *_fetched_ahead(case, whole, limits)]


def _by_value(case: Case, whole: _Answered, limits: Limits) -> list[Symptom]:
    """The context value whose lists are answered least, compared to the others of the same time."""
    found: list[tuple[float, str, str, str, _Answered]] = []
    values = 0
    parts = _parts_of_time(case)
    for key, column in case.slices:
        less = limits["less_by_place" if key in SLICE_OF else "less"]
        counted = _counted(case, column, parts)
        named = sorted(value for value in counted if value is not None)
        values += len(named)
        for value in named:
            part = _total(counted[value])
            expected = _expected(counted, value)
            chance = _unlikely(part, expected, less)
            if chance is not None and not _are_elsewhere(case, part, expected):
                found.append((chance, key, column, value, part))
    found = [each for each in found if each[0] < math.log(CHANCE / max(values, 1))]
    if not found:
        return []
    _, key, column, value, part = min(found)
    told = f"{key}={told_value(key, value)}"
    others = whole.other_than(part)
    cause = (
        f"Lists of {told} are logged and hardly ever answered ({part.joined:,} of {part.n:,} have an outcome, of "
        f"the others {percent(others.joined / others.n)}): nobody sees them."
    )
    return _unrendered(case, whole, part, f"{column} = {text(value)}", told, cause, limits)


def _parts_of_time(case: Case) -> dict[int, int]:
    """Bucket → the part of the log that it is in, of at most ten with about as many exposures each."""
    rows = case.rows("SELECT bucket_us, sum(n) FROM exposure_buckets GROUP BY bucket_us ORDER BY bucket_us")
    of = sum(int(n) for _, n in rows)
    before, parts = 0, {}
    for bucket, n in rows:
        parts[bucket] = before * PARTS // of
        before += int(n)
    return parts


def _counted(case: Case, column: str, parts: Mapping[int, int]) -> dict[str | None, dict[int, _Answered]]:
    """Value → part of time → its exposures."""
    rows = case.rows(
        f"SELECT bucket_us, {column}, sum(n - empty), sum(answered) FROM exposure_buckets GROUP BY bucket_us, {column}"
    )
    counted: dict[str | None, dict[int, _Answered]] = {}
    for bucket, value, n, joined in rows:
        own = counted.setdefault(value, {})
        own[parts[bucket]] = own.get(parts[bucket], _Answered(0, 0)).and_also(_Answered(int(n), int(joined)))
    return counted


def _total(parts: Mapping[int, _Answered]) -> _Answered:
    return _Answered(sum(each.n for each in parts.values()), sum(each.joined for each in parts.values()))


def _expected(counted: Mapping[str | None, Mapping[int, _Answered]], value: str) -> float:
    """How many of the lists of a value should be answered, by the others of the same part of time, at the least."""
    expected, answered = 0.0, 0
    for part, own in counted[value].items():
        others = _total({place: each[part] for place, each in enumerate(counted.values()) if part in each})
        others = others.other_than(own)
        if others.n:
            expected += own.n * others.joined / others.n
            answered += others.joined
    return expected * _at_least(answered)


def _at_least(answered: int) -> float:
    """What a rate by so many answered lists may be in truth, as a share of it: three standard errors less."""
    return max(0.0, 1 - 3 / math.sqrt(answered)) if answered else 0.0


def _unlikely(part: _Answered, expected: float, less: float) -> float | None:
    """The logarithm of the chance of so few answers (Chernoff's bound of the binomial tail); None where they are
    enough, or where nothing can be said."""
    if not part.n or part.joined >= part.n or part.joined >= expected or part.joined > expected * less:
        return None
    rate, share = min(expected / part.n, 1 - 1e-9), part.joined / part.n
    kept = share * math.log(share / rate) if share else 0.0
    return -part.n * (kept + (1 - share) * math.log((1 - share) / (1 - rate)))


def _are_elsewhere(case: Case, part: _Answered, expected: float) -> bool:
    """Whether the answers that are missed may be among the outcomes that found no list, or have no request_id: then
    they do not join, and others say why."""
    lost, outcomes = case.one(
        "SELECT count(DISTINCT request_id), count(*) FROM outcome_fates WHERE fate IN ('orphan', 'ambiguous')"
    )
    of = case.quality.fates.rows - case.quality.fates.invalid - outcomes
    answered = case.one("SELECT count(*) FROM (SELECT DISTINCT request_id FROM joined_requests) AS answered")[0]
    unread = case.quality.fates.invalid * answered / of if of else 0.0
    return lost + unread >= (expected - part.joined) / 2


def _unrendered(
    case: Case, whole: _Answered, part: _Answered, condition: str, told: str, cause: str, limits: Limits
) -> list[Symptom]:
    severity = graded(part.n, whole.n, limits)
    if severity is None:
        return []
    these = f"{condition} AND n_items > 0"
    first, last = case.one(f"SELECT min(ts_us), max(ts_us) FROM exposures WHERE {these}")
    return [
        Symptom(
            severity=severity,
            cause=cause,
            fix=(
                "Log what is rendered: let prefetching and health checks ask with a tenant or surface of their own, or "
                "ask when the list comes into view; or find out why this client sends no outcomes."
            ),
            log="exposures",
            n=part.n,
            of=whole.n,
            subject=told,
            rows=Rows(query=f"SELECT request_id AS row FROM exposures WHERE {these}"),
            first_us=first,
            last_us=last,
            shift=Shift(exposures_extra=part.n, note="As if they had not been logged."),
        )
    ]


def _fetched_ahead(case: Case, whole: _Answered, limits: Limits) -> list[Symptom]:
    """Lists that another list of the same user and surface takes the place of at once."""
    case.table("following_lists")
    condition = "request_id IN (SELECT previous_request_id FROM following_lists WHERE replaced)"
    n, joined = case.one(
        "SELECT count(*), count(*) FILTER (WHERE request_id IN (SELECT request_id FROM joined_requests)) "
        f"FROM exposures WHERE {condition}"
    )
    part = _Answered(n, joined)
    others = whole.other_than(part)
    expected = part.n * others.joined / others.n * _at_least(others.joined) if others.n else 0.0
    chance = _unlikely(part, expected, limits["less"])
    if chance is None or chance >= math.log(CHANCE) or _are_elsewhere(case, part, expected):
        return []
    cause = (
        f"Lists that another one of the same user and surface replaces within {limits['replaced_seconds']:g} seconds "
        f"are hardly ever answered ({part.joined:,} of {part.n:,} have an outcome, of the others "
        f"{percent(others.joined / others.n)}): nobody sees them, or has the time to look at them."
    )
    return _unrendered(case, whole, part, condition, "users who get another list at once", cause, limits)


BOTS = Detector(
    name="bots",
    question="Do all subjects behave like people?",
    look=_look_for_bots,
    limits=MappingProxyType(
        {"per_minute": 60.0, "per_day": 2_000.0, "outcomes_per_minute": 60.0, "warning": 0.0, "serious": 0.01}
    ),
)
NEVER_RENDERED = Detector(
    name="never_rendered",
    question="Was every list that was logged also seen?",
    look=_look_for_unrendered,
    limits=MappingProxyType(
        {"less": 0.1, "less_by_place": 0.02, "replaced_seconds": 2.0, "warning": 0.0, "serious": 0.05}
    ),
)

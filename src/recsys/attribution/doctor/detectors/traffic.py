"""Traffic that is nobody's: subjects with impossible rates, and lists that were logged and never rendered.

A person does not look at more than ``per_minute`` lists in a minute or ``per_day`` in a day, nor clicks more than
``outcomes_per_minute`` times. Of such subjects one is a warning, and from ``serious`` (1 % of the exposures) on they
move the figures.

Lists were never rendered where the lists of a context value have hardly any outcome though the others have: at most
``less`` (a tenth) of what they should have by the others' rate, which chance gives with a probability under 10⁻⁶ over
the number of values. And where a list that is followed by another of the same user and surface within the seconds of
``repeated_lists`` hardly ever has one: it was fetched ahead of its time.
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import NamedTuple

from recsys.attribution.doctor.breakdown import percent, tellable
from recsys.attribution.doctor.case import Case, text
from recsys.attribution.doctor.symptoms import Detector, Limits, Rows, Shift, Symptom, graded

CHANCE = 1e-6


def _look_for_bots(case: Case, limits: Limits) -> list[Symptom]:
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
    severity = graded(int(n) / of, limits) if subjects else None
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
            fix="Take known crawlers and test clients out before they ask, or leave their exposures out of the logs.",
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
    """Exposures, and those with an outcome."""

    n: int
    joined: int

    def other_than(self, part: _Answered) -> _Answered:
        """All but a part."""
        return _Answered(self.n - part.n, self.joined - part.joined)


def _look_for_unrendered(case: Case, limits: Limits) -> list[Symptom]:
    case.table("exposure_buckets")
    n, joined = case.one("SELECT coalesce(sum(n), 0), coalesce(sum(joined), 0) FROM exposure_buckets")
    whole = _Answered(int(n), int(joined))
    return [*_by_value(case, whole, limits), *_fetched_ahead(case, whole, limits)]


def _by_value(case: Case, whole: _Answered, limits: Limits) -> list[Symptom]:
    """The context value whose lists are answered least, compared to the others."""
    found: list[tuple[float, str, str, str, _Answered]] = []
    values = 0
    for key, column in case.slices:
        rows = case.rows(
            f"SELECT {column}, sum(n), sum(joined) FROM exposure_buckets WHERE {column} IS NOT NULL GROUP BY {column} "
            f"ORDER BY {column}"
        )
        values += len(rows)
        for value, n, joined in rows:
            part = _Answered(int(n), int(joined))
            if (chance := _unlikely(part, whole.other_than(part), limits)) is not None:
                found.append((chance, key, column, value, part))
    found = [each for each in found if each[0] < math.log(CHANCE / max(values, 1))]
    if not found:
        return []
    _, key, column, value, part = min(found)
    return [_unrendered(case, whole, part, f"{column} = {text(value)}", f"{key}={tellable(value)}", limits)]


def _unlikely(part: _Answered, others: _Answered, limits: Limits) -> float | None:
    """The logarithm of the chance of so few answers (Chernoff's bound of the binomial tail); None where they are
    enough, or where nothing can be said."""
    if not part.n or not others.joined:
        return None
    rate, share = others.joined / others.n, part.joined / part.n
    if share > rate * limits["less"]:
        return None
    if rate >= 1:
        return -math.inf
    kept = share * math.log(share / rate) if share else 0.0
    return -part.n * (kept + (1 - share) * math.log((1 - share) / (1 - rate)))


def _unrendered(case: Case, whole: _Answered, part: _Answered, condition: str, told: str, limits: Limits) -> Symptom:
    first, last = case.one(f"SELECT min(ts_us), max(ts_us) FROM exposures WHERE {condition}")
    others = whole.other_than(part)
    return Symptom(
        severity=graded(part.n / whole.n, limits) or "warning",
        cause=(
            f"Lists of {told} are logged and hardly ever answered ({part.joined:,} of {part.n:,} have an outcome, of "
            f"the others {percent(others.joined / others.n)}): nobody sees them."
        ),
        fix=(
            "Log what is rendered: let prefetching and health checks ask with a tenant or surface of their own, or ask "
            "when the list comes into view; or find out why this client sends no outcomes."
        ),
        log="exposures",
        n=part.n,
        of=whole.n,
        subject=told,
        rows=Rows(query=f"SELECT request_id AS row FROM exposures WHERE {condition}"),
        first_us=first,
        last_us=last,
        shift=Shift(exposures_extra=part.n, note="As if they had not been logged."),
    )


def _fetched_ahead(case: Case, whole: _Answered, limits: Limits) -> list[Symptom]:
    """Lists that another list of the same user and surface takes the place of."""
    case.table("following_lists")
    condition = "request_id IN (SELECT previous_request_id FROM following_lists WHERE NOT same_list)"
    n, joined = case.one(
        "SELECT count(*), count(*) FILTER (WHERE request_id IN (SELECT request_id FROM joined_requests)) "
        f"FROM exposures WHERE {condition}"
    )
    part = _Answered(n, joined)
    chance = _unlikely(part, whole.other_than(part), limits)
    if chance is None or chance >= math.log(CHANCE):
        return []
    symptom = _unrendered(case, whole, part, condition, "users who get another list at once", limits)
    return [symptom]


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
    limits=MappingProxyType({"less": 0.1, "warning": 0.0, "serious": 0.05}),
)

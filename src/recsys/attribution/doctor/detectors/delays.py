"""The time from the list to the outcome: clocks that differ, outcomes that come late, windows that are too short.

A click follows its list within seconds or minutes. Where the first 5 % of the clicks of a place or a time come
``earliest_seconds`` (10 minutes) after their lists or later, and half of them within as much after these (what is read
late, such as mail, is spread over hours), or outcomes come before their lists by more than the tolerance, the two logs
were written by different clocks; by a whole number of half hours, in different time zones. Exposures that are later
than now are left to ``future``.

Clicks that are late (``late_seconds``) in one place or time, though others there are not, were delivered late, or
took the time of their delivery. So did those that stand apart anywhere, ``apart`` times as many as come in the decade
of time before (3 to 30 minutes), for the tail of a healthy log thins out, or those that are most of all clicks. Place
and time are judged as in ``breakdown``, chance included. Of all outcomes the share that is concerned decides: 0.1 %
is a warning, 1 % is serious where a clock is wrong, and lateness is a warning only.

A window is too short where more than ``cut_warning`` of an event type's outcomes come after it while they still come at
its end: in its last fifth at least ``rate_at_end`` times as many as on average.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import MappingProxyType

from msgspec import Struct

from recsys.attribution.doctor.breakdown import (
    Cell,
    Counted,
    Stretch,
    Where,
    cells,
    instant,
    percent,
    stretch,
    told_by_key,
    total,
    where,
    within,
)
from recsys.attribution.doctor.case import Case, text
from recsys.attribution.doctor.picking import conditions
from recsys.attribution.doctor.symptoms import Detector, Limits, Rows, Shift, Symptom, Unable, graded

FOUND = "exposure_ts_us IS NOT NULL AND fate <> 'duplicate'"
"""The outcomes that found their list, each once."""
HALF_HOUR_S = 1_800
ZONE_SLACK_S = 60
FARTHEST_S = 26 * 3_600
"""From UTC-12 to UTC+14."""
MOST = 0.5
SOONER = 10
"""Clicks are compared with those up to so many times sooner."""
_CLOCKS = (
    "Write both logs in UTC, with the offset in each ts, by machines whose clocks NTP keeps; let the server note the "
    "instant of an outcome (POST /v1/outcomes) where clients' clocks cannot be relied on."
)


class _Group(Struct, frozen=True, kw_only=True):
    """Outcomes that are concerned: where, when, and an SQL condition that picks them from ``outcome_fates``."""

    cells: list[Cell]
    place: Where | None
    step: Stretch | None
    condition: str

    @property
    def told(self) -> str:
        """Words for the middle of a sentence."""
        return "" if self.place is None else f" of {self.place}"


def _group(case: Case, hit: str, among: str) -> _Group:
    """Where and when outcomes for which ``hit`` holds are, ``among`` those that found their list."""
    case.table("fate_buckets")
    columns = ", ".join(column for _, column in case.slices)
    bucket = f"((ts_us + 864000000000) // {case.bucket_us}) * {case.bucket_us} - 864000000000"
    rows = case.rows(
        f"SELECT {bucket} AS bucket_us, {columns}, count(*), count(*) FILTER (WHERE {hit}) FROM outcome_fates "
        f"WHERE {FOUND} AND {among} GROUP BY bucket_us, {columns}"
    )
    found, keys = cells(rows, len(case.slices)), case.joined.slice_keys
    place = where(found, keys)
    step = stretch(found if place is None else within(found, keys, place)) if found else None
    (last,) = case.one("SELECT max(ts_us) FROM exposures")
    if step is not None and step.since_us is not None and step.since_us > last:
        step = None  # after the last exposure all are late
    condition = " AND ".join([FOUND, among, *conditions(case, place, step)])
    return _Group(cells=found, place=place, step=step, condition=condition)


def _quantile(case: Case, condition: str, share: float) -> float | None:
    """The delay in seconds that this share of the outcomes does not exceed."""
    n, *_ = case.one(f"SELECT count(*) FROM outcome_fates WHERE {condition}")
    if not n:
        return None
    place = min(int(share * n), n - 1)
    [(delay_us,)] = case.rows(
        f"SELECT ts_us - exposure_ts_us AS delay_us FROM outcome_fates WHERE {condition} "
        f"ORDER BY delay_us LIMIT 1 OFFSET {place}"
    )
    return delay_us / 1_000_000


def _look_at_clocks(case: Case, limits: Limits) -> list[Symptom]:
    if not case.one(f"SELECT count(*) FROM outcome_fates WHERE {FOUND}")[0]:
        raise Unable("no outcome found its list")
    return [*_behind(case, limits), *_ahead(case, limits)]


def _behind(case: Case, limits: Limits) -> list[Symptom]:
    """Outcomes that are earlier than their lists."""
    early = f"fate = 'before_exposure' AND exposure_ts_us <= {case.as_of_us}"
    group = _group(case, early, "TRUE")
    counted = total(group.cells)
    severity = graded(counted.share, limits) if counted.hit else None
    if severity is None:
        return []
    skew_s = _quantile(case, f"{group.condition} AND {early}", 0.05) or 0.0
    return [_clock(case, group, f"{FOUND} AND {early}", severity, "behind", skew_s)]


def _ahead(case: Case, limits: Limits) -> list[Symptom]:
    """Clicks of which none follows its list within minutes."""
    earliest = limits["earliest_seconds"]
    late = f"ts_us - exposure_ts_us >= {round(earliest * 1_000_000)}"
    group = _group(case, late, "event_type = 'click' AND fate <> 'before_exposure'")
    counted = total(group.cells)
    severity = graded(counted.share, limits) if counted.hit else None
    first, half = _quantile(case, group.condition, 0.05), _quantile(case, group.condition, 0.5)
    if severity is None or first is None or half is None or counted.hit < limits["least_clicks"]:
        return []
    if first < earliest or half - first > earliest:
        return []
    return [_clock(case, group, f"{group.condition} AND {late}", severity, "ahead of", first)]


def _clock(case: Case, group: _Group, condition: str, severity: str, side: str, skew_s: float) -> Symptom:
    n, first, last, clicks = _counted(case, condition)
    since = None
    if group.step is not None and group.step.since_us is not None:
        begin = group.step.since_us - case.bucket_us
        (since,) = case.one(f"SELECT min(ts_us) FROM outcome_fates WHERE {condition} AND ts_us >= {begin}")
    hours = round(skew_s / HALF_HOUR_S) * HALF_HOUR_S
    zone = 0 < abs(hours) <= FARTHEST_S and abs(skew_s - hours) <= ZONE_SLACK_S
    amount = f"{abs(hours) / 3_600:g} h" if zone else f"about {abs(skew_s):,.0f} s"
    why = ", as that of another time zone" if zone else ""
    when = f", since {instant(since)}" if since is not None else ""
    lost = clicks if side == "behind" else 0
    return Symptom(
        severity="serious" if severity == "serious" else "warning",
        cause=f"The clock of the outcomes{group.told} is {amount} {side} that of their exposures{why}{when}.",
        fix=_CLOCKS,
        log="outcomes",
        n=n,
        of=total(group.cells).n,
        subject=side,
        rows=Rows(query=f"SELECT row_number AS row FROM outcome_fates WHERE {condition}"),
        first_us=first,
        last_us=last,
        onset_us=since,
        facts=[
            f"From the list to the outcome, by the two clocks: {_spread(case, group.condition)}.",
            *told_by_key(group.cells, case.joined.slice_keys),
        ],
        shift=Shift(clicks_found=lost, note="As if all of them came after their list.") if lost else None,
    )


def _spread(case: Case, condition: str) -> str:
    """Quantiles of the delays in words."""
    parts = ((0.05, "5 %"), (0.5, "half"), (0.95, "95 %"))
    found = [(words, _quantile(case, condition, share)) for share, words in parts]
    return ", ".join(f"{words} at most {delay:,.0f} s" for words, delay in found if delay is not None)


def _counted(case: Case, condition: str) -> tuple[int, int, int, int]:
    metric, _, _ = case.headline
    kind = "conversion" if metric == "conversion_rate" else "click"
    n, first, last, clicks = case.one(
        f"SELECT count(*), min(ts_us), max(ts_us), count(*) FILTER (WHERE event_type = {text(kind)}) "
        f"FROM outcome_fates WHERE {condition}"
    )
    return n, first, last, clicks


def _look_at_lateness(case: Case, limits: Limits) -> list[Symptom]:
    late = f"ts_us - exposure_ts_us >= {round(limits['late_seconds'] * 1_000_000)}"
    group = _group(case, late, "event_type = 'click' AND fate <> 'before_exposure'")
    counted = total(group.cells)
    severity = graded(counted.share, limits) if counted.hit else None
    scattered = group.place is None and group.step is None
    if severity is None or (scattered and not _stand_apart(case, group, counted, limits)):
        return []
    condition = f"{group.condition} AND {late}"
    n, first, last, _ = _counted(case, condition)
    since = first if group.step is not None and group.step.since_us is not None else None
    return [
        Symptom(
            severity=severity,
            cause=_lateness(group, counted, since, limits),
            fix=(
                "Find what holds these events back (a queue, an app that sends when it is opened again), and log the "
                "instant of the click, not of its delivery. A window of the policy would cut them. Of lists that are "
                "read later by their nature, such as mail, late clicks are no fault: raise late_outcomes.late_seconds."
            ),
            log="outcomes",
            n=n,
            of=counted.n,
            rows=Rows(query=f"SELECT row_number AS row FROM outcome_fates WHERE {condition}"),
            first_us=first,
            last_us=last,
            onset_us=since,
            facts=told_by_key(group.cells, case.joined.slice_keys),
        )
    ]


def _lateness(group: _Group, counted: Counted, since: int | None, limits: Limits) -> str:
    inside = group.step.inside if group.step is not None else group.place.inside if group.place is not None else counted
    when = f" from {instant(since)} on" if since is not None else ""
    minutes = limits["late_seconds"] / 60
    others = "of the others hardly any does."
    if counted.share > MOST:
        others = "as a rule they come within seconds."
    elif group.place is None and group.step is None:
        others = (
            f"hardly any comes between {minutes / SOONER:g} and {minutes:g} minutes after it, so something held them."
        )
    share = percent(inside.share)
    return f"{share} of the clicks{group.told}{when} come more than {minutes:g} minutes after their list; {others}"


def _stand_apart(case: Case, group: _Group, counted: Counted, limits: Limits) -> bool:
    """Whether late clicks are no tail of the others: they are most clicks, or many more come late than in the decade of
    time before, in which fewer come than sooner."""
    late_us = round(limits["late_seconds"] * 1_000_000)
    delay = "ts_us - exposure_ts_us"
    sooner, between = case.one(
        f"SELECT count(*) FILTER (WHERE {delay} < {late_us // SOONER}), "
        f"count(*) FILTER (WHERE {delay} >= {late_us // SOONER} AND {delay} < {late_us}) "
        f"FROM outcome_fates WHERE {group.condition}"
    )
    apart = counted.share > MOST or (counted.hit > limits["apart"] * between and sooner > between)
    return apart and counted.hit >= limits["least_clicks"]


def _look_at_windows(case: Case, limits: Limits) -> list[Symptom]:
    windows = {kind: seconds for kind, seconds in case.joined.policy.windows_s.items() if seconds}
    if not windows:
        raise Unable("the policy has no window")
    return [symptom for kind, seconds in windows.items() for symptom in _window(case, kind, seconds, limits)]


def _window(case: Case, kind: str, window_s: float, limits: Limits) -> Sequence[Symptom]:
    us = round(window_s * 1_000_000)
    these = f"{FOUND} AND event_type = {text(kind)} AND fate <> 'not_in_list'"
    delay = "ts_us - exposure_ts_us"
    n, within_it, at_end, after, first, last = case.one(
        f"SELECT count(*), count(*) FILTER (WHERE {delay} BETWEEN 0 AND {us}), "
        f"count(*) FILTER (WHERE {delay} BETWEEN {us * 4 // 5} AND {us}), count(*) FILTER (WHERE {delay} > {us}), "
        f"min(ts_us) FILTER (WHERE {delay} > {us}), max(ts_us) FILTER (WHERE {delay} > {us}) "
        f"FROM outcome_fates WHERE {these}"
    )
    severity = graded(after / n, limits, "cut") if n else None
    if severity is None or not within_it or at_end / within_it * 5 < limits["rate_at_end"]:
        return []
    longer = _quantile(case, f"{these} AND {delay} >= 0", 0.99) or 0.0
    metric, _, _ = case.headline
    counts = kind == ("conversion" if metric == "conversion_rate" else "click")
    return [
        Symptom(
            severity=severity,
            cause=(
                f"The window of {kind}s, {window_s:g} s, cuts off {percent(after / n)} of them, and they still come at "
                f"its end: {percent(at_end / within_it)} of what it takes is of its last fifth."
            ),
            fix=f"Set attribution.windows.{kind} to {math.ceil(longer)}s: 99 % of them come within that.",
            log="outcomes",
            n=after,
            of=n,
            subject=kind,
            rows=Rows(query=f"SELECT row_number AS row FROM outcome_fates WHERE {these} AND {delay} > {us}"),
            first_us=first,
            last_us=last,
            shift=Shift(clicks_found=after, note="As if there was no window.") if counts else None,
        )
    ]


CLOCK_SKEW = Detector(
    name="clock_skew",
    question="Were both logs written by the same clock?",
    look=_look_at_clocks,
    limits=MappingProxyType({"warning": 0.001, "serious": 0.01, "earliest_seconds": 600.0, "least_clicks": 20.0}),
)
LATE_OUTCOMES = Detector(
    name="late_outcomes",
    question="Do clicks follow their lists everywhere and at all times?",
    look=_look_at_lateness,
    limits=MappingProxyType(
        {"warning": 0.001, "serious": 1.1, "late_seconds": 1_800.0, "least_clicks": 20.0, "apart": 3.0}
    ),
)
WINDOW_TOO_SHORT = Detector(
    name="window_too_short",
    question="Does the attribution window take what comes?",
    look=_look_at_windows,
    limits=MappingProxyType({"cut_warning": 0.05, "cut_serious": 0.25, "rate_at_end": 0.1}),
)

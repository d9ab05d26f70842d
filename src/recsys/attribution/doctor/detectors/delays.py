"""The time from the list to the outcome: clocks that differ, outcomes that come late, windows that are too short.

A click follows its list within seconds or minutes. Place and time of what does not are judged as in ``breakdown``,
chance included; the share of all outcomes that is concerned decides how bad it is.
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
from recsys.contracts.diagnosis import Severity

FOUND = "exposure_ts_us IS NOT NULL AND fate <> 'duplicate'"
"""The outcomes that found their list, each once."""
HALF_HOUR_S = 1_800
ZONE_SLACK_S = 60
FARTHEST_S = 26 * 3_600
"""From UTC-12 to UTC+14."""
FIRST = 0.05
"""The skew is the delay that this share of the outcomes does not exceed: no list is answered much sooner."""
ALIKE = 0.1
"""Skews are alike that differ by no more than a minute, or by this share."""
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
    """A click follows its list within seconds or minutes, and never comes before it, unless the two logs were written
    by different clocks.

    Where the first 5 % of the clicks of a place or a time (``least_clicks`` at least) come ``earliest_seconds`` (10
    minutes) after their lists or later, and half of them within as much after these (what is read late, such as mail,
    is spread over hours), or outcomes come before their lists by more than the tolerance, the clocks differ; by a whole
    number of half hours, in different time zones; of each value of the context by itself, if they differ. Of all
    outcomes 0.1 % (``warning``) is a warning, 1 % is ``serious``.
    """
    if not case.one(f"SELECT count(*) FROM outcome_fates WHERE {FOUND}")[0]:
        raise Unable("no outcome found its list")
    return [*_behind(case, limits), *_ahead(case, limits)]


def _behind(case: Case, limits: Limits) -> list[Symptom]:
    """Outcomes that are earlier than their lists. Exposures of the future and outcomes of the far past are left to
    ``future`` and ``far_past``."""
    early = f"fate = 'before_exposure' AND exposure_ts_us <= {case.as_of_us} AND ts_us >= {case.earliest_us}"
    group = _group(case, early, "TRUE")
    counted = total(group.cells)
    severity = graded(counted.hit, counted.n, limits)
    if severity is None:
        return []
    skews = _skews(case, group, f"{group.condition} AND {early}", limits)
    return [_clock(case, group, f"{FOUND} AND {early}", severity, "behind", skews)]


def _ahead(case: Case, limits: Limits) -> list[Symptom]:
    """Clicks of which none follows its list within minutes."""
    earliest = limits["earliest_seconds"]
    late = f"ts_us - exposure_ts_us >= {round(earliest * 1_000_000)}"
    group = _group(case, late, _clicks_after(case))
    counted = total(group.cells)
    severity = graded(counted.hit, counted.n, limits)
    if severity is None or counted.hit < limits["least_clicks"]:
        return []
    skews = _skews(case, group, group.condition, limits)
    if any(skew.seconds < earliest or skew.half - skew.seconds > earliest for skew in skews):
        return []
    return [_clock(case, group, f"{group.condition} AND {late}", severity, "ahead of", skews)]


def _clicks_after(case: Case) -> str:
    """The clicks that may be late; those on lists of the far past are left to ``far_past``."""
    return f"event_type = 'click' AND fate <> 'before_exposure' AND exposure_ts_us >= {case.earliest_us}"


class _Skew(Struct, frozen=True, kw_only=True):
    """So many seconds are between the clocks, and half of the outcomes come within ``half`` seconds; ``place`` None:
    everywhere where the fault is."""

    seconds: float
    half: float
    place: Where | None = None

    @property
    def hours(self) -> float | None:
        """The skew as that of another time zone; None where it is none."""
        rounded = round(self.seconds / HALF_HOUR_S) * HALF_HOUR_S
        zone = 0 < abs(rounded) <= FARTHEST_S and abs(self.seconds - rounded) <= ZONE_SLACK_S
        return abs(rounded) / 3_600 if zone else None

    @property
    def amount(self) -> str:
        """In words, without its sign."""
        return f"about {abs(self.seconds):,.0f} s" if self.hours is None else f"{self.hours:g} h"


def _skews(case: Case, group: _Group, condition: str, limits: Limits) -> list[_Skew]:
    """The skews of these outcomes, the largest first: one of all, or those of the values of a key if they differ: of
    the place's key, else of the key whose values of ``least_clicks`` outcomes or more differ most."""
    first, half = _quantile(case, condition, FIRST), _quantile(case, condition, 0.5)
    whole = _Skew(seconds=first or 0.0, half=half or 0.0)
    places = dict(case.slices) if group.place is None else {group.place.key: dict(case.slices)[group.place.key]}
    least = limits["least_clicks"] if group.place is None else 1
    by_key = [_skews_of(case, key, column, condition, least) for key, column in places.items()]
    return max([[whole], *by_key], key=lambda skews: abs(skews[0].seconds - skews[-1].seconds) if skews else 0.0)


def _skews_of(case: Case, key: str, column: str, condition: str, least: float) -> list[_Skew]:
    """By the values of a key that so many outcomes have; those that differ by no more than clicks do are one."""
    of_value = f"OVER (PARTITION BY {column}"
    rows = case.rows(
        f"SELECT value, max(delay_us) FILTER (WHERE place <= {FIRST} * n), max(delay_us), n FROM ("
        f"SELECT {column} AS value, ts_us - exposure_ts_us AS delay_us, count(*) {of_value}) AS n, "
        f"row_number() {of_value} ORDER BY ts_us - exposure_ts_us) - 1 AS place "
        f"FROM outcome_fates WHERE {condition}) AS ordered WHERE place <= n * 0.5 GROUP BY value, n"
    )
    found = [(first / 1e6, half / 1e6, value, n) for value, first, half, n in rows if n >= least]
    found.sort(key=lambda each: (-abs(each[0]), each[2] is None, each[2] or ""))
    groups: list[list[tuple[float, float, str | None, int]]] = []
    for each in found:
        if not groups or abs(groups[-1][0][0] - each[0]) > max(ZONE_SLACK_S, ALIKE * abs(each[0])):
            groups.append([])
        groups[-1].append(each)
    return [_skew(key, values) for values in groups]


def _skew(key: str, alike: Sequence[tuple[float, float, str | None, int]]) -> _Skew:
    """The skew of the value that most outcomes have."""
    first, half, _, _ = max(alike, key=lambda each: each[3])
    nothing = Counted(0, 0)
    return _Skew(seconds=first, half=half, place=Where(key, tuple(value for _, _, value, _ in alike), nothing, nothing))


def _clock(case: Case, group: _Group, condition: str, severity: Severity, side: str, skews: Sequence[_Skew]) -> Symptom:
    n, first, last, clicks = _counted(case, condition)
    since = None
    if group.step is not None and group.step.since_us is not None:
        begin = group.step.since_us - case.bucket_us
        (since,) = case.one(f"SELECT min(ts_us) FROM outcome_fates WHERE {condition} AND ts_us >= {begin}")
    lost = clicks if side == "behind" else 0
    return Symptom(
        severity=severity,
        cause=_cause(group, side, skews) + (f", since {instant(since)}." if since is not None else "."),
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


def _cause(group: _Group, side: str, skews: Sequence[_Skew]) -> str:
    """The beginning of a sentence that names the skews."""
    zones = all(skew.hours is not None for skew in skews)
    if len(skews) > 1:
        told = ", ".join(f"by {skew.amount} of {skew.place}" for skew in skews)
        other = ", as those of other time zones" if zones else ""
        return f"The clocks of the outcomes are {side} those of their exposures, {told}{other}"
    counted = total(group.cells)
    scattered = group.place is None and group.step is None and counted.share < MOST
    whose = f"{counted.hit:,} of {counted.n:,} outcomes" if scattered else f"the outcomes{group.told}"
    zone = ", as that of another time zone" if zones else ""
    return f"The clock of {whose} is {skews[0].amount} {side} that of their exposures{zone}"


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
    """Clicks that were delivered late, or took the time of their delivery.

    Clicks are late (``late_seconds``, half an hour) in one place or time, though others there are not. So are those
    that stand apart anywhere (``least_clicks`` at least), ``apart`` times as many as come in the decade of time before
    (3 to 30 minutes), for the tail of a healthy log thins out, or those that are most of all clicks. From 0.1 % of all
    outcomes on that is a ``warning``, and however many they are no more than that (``serious`` is over 1).
    """
    late = f"ts_us - exposure_ts_us >= {round(limits['late_seconds'] * 1_000_000)}"
    group = _group(case, late, _clicks_after(case))
    counted = total(group.cells)
    severity = graded(counted.hit, counted.n, limits)
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
    """The window of an event type is too short where more than ``cut_warning`` (5 %) of its outcomes come after it
    while they still come at its end: in its last fifth at least ``rate_at_end`` (a tenth) times as many as on average.
    From ``cut_serious`` (a quarter) on it is serious.
    """
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
    severity = graded(after, n, limits, "cut")
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

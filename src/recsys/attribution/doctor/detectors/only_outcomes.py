"""Outcomes without any exposure: none at all, none of a tenant or surface, none for a while; and exposures that nobody
answers: ever, or for a while.

A stretch of time, a tenant or a surface counts where it has ``least_outcomes`` outcomes that are orphans, and not one
exposure: of a log in which exposures come at their usual rate such a hole has no other reason than that they were not
written, or not given. The hole is found in whole buckets (1/240 of the log's time or less), and reaches from the last
exposure before them to the first one after. In a quiet night come outcomes of earlier lists, which find them; where
orphans are everywhere they have another cause. So most outcomes of a hole must be orphans, ``times_rarer`` elsewhere,
and of a value that no exposure has at most one in so many outcomes with it finds its list. Where a log begins in the
middle of a stream, outcomes of lists shown before it have no exposure (``beginning``): these count nowhere here. If
outcomes begin before the exposures by more than that, the two logs are not of the same time: serious where the match
rate is under ``attribution.min_match_rate``.

The other way round, a stretch of time counts in which ``least_answers`` answered lists or more are missed by the rate
of the others and at most ``hardly`` of their outcomes have come (``silences``): of all, of the clicks or conversions,
of a context value. By chance, and in hours when people answer a third as often as in others, that is seen less than
once in 1,000 logs. Answers that may be under way at the end of the log are not missed, nor those that may be among
the outcomes that find no list or were refused. Without any outcome ``least_exposures`` (100) exposures are serious,
fewer a warning; nothing at all is one, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from types import MappingProxyType

from msgspec.structs import replace

from recsys.attribution.doctor.beginning import Beginning, beginning
from recsys.attribution.doctor.breakdown import instant, told_value
from recsys.attribution.doctor.case import Case, text
from recsys.attribution.doctor.silences import Silence, silences
from recsys.attribution.doctor.symptoms import Detector, Limits, Rows, Shift, Symptom

_FIX = (
    "Log what is shown: EXPOSURE_LOG_ENABLED=true and EXPOSURE_LOG_PATH on every instance that serves it, and give "
    "the command all files of these days (folders and globs are read whole)."
)
_SILENT_FIX = (
    "Find out why none is sent, written or given: a release of the client, POST /v1/outcomes, OUTCOME_LOG_PATH, the "
    "files of these days. If they cannot be had, leave the lists of that time out."
)


def _look(case: Case, limits: Limits) -> list[Symptom]:
    shown, done = case.quality.exposures.distinct, case.quality.fates
    valid = done.rows - done.invalid
    if not shown:
        return [_nothing_shown(case, valid) if valid else _nothing_at_all(case)]
    if not valid:
        return [] if done.rows else [_nothing_done(case, limits)]
    least, begun = limits["least_outcomes"], beginning(case)
    quiet = list(silences(case, limits["least_answers"], limits["hardly"]))
    silent = [_silent(case, each, quiet) for each in quiet]
    return [*_unseen_values(case, least, limits, begun), *_holes(case, least, limits, begun), *silent]


def _nothing_at_all(case: Case) -> Symptom:
    return Symptom(
        severity="warning",
        cause="There is nothing to examine: no exposure and no outcome that could be read.",
        fix="Give the command the files of the days that are to be examined, and see that they are not empty.",
        log="exposures",
        n=0,
        of=case.joined.dataset.exposures.rows,
        subject="nothing",
    )


def _nothing_shown(case: Case, valid: int) -> Symptom:
    first, last = case.one("SELECT min(ts_us), max(ts_us) FROM staged_outcomes")
    return Symptom(
        severity="serious",
        cause="There are only outcomes, and no exposure: clicks on lists that nobody logged belong to nothing.",
        fix=_FIX,
        log="outcomes",
        n=valid,
        of=valid,
        subject="no exposures",
        rows=Rows(query="SELECT row_number AS row FROM staged_outcomes"),
        first_us=first,
        last_us=last,
    )


def _nothing_done(case: Case, limits: Limits) -> Symptom:
    shown = case.quality.exposures
    first, last = case.one("SELECT min(ts_us), max(ts_us) FROM exposures")
    return Symptom(
        severity="serious" if shown.distinct >= limits["least_exposures"] else "warning",
        cause="There are only exposures, and no outcome: nobody clicked, or they were not written, or not given.",
        fix="Post outcomes to /v1/outcomes, set OUTCOME_LOG_PATH, and give --outcomes the files of the same days.",
        log="exposures",
        n=shown.distinct,
        of=shown.distinct,
        subject="no outcomes",
        rows=Rows(query="SELECT request_id AS row FROM exposures"),
        first_us=first,
        last_us=last,
    )


def _unseen_values(case: Case, least: float, limits: Limits, begun: Beginning) -> Iterator[Symptom]:
    """Values of a key that stand in outcomes of no list, and in no exposure."""
    fates, pairs = case.table("fate_buckets"), case.table("slice_pairs")
    for place, (key, column) in enumerate(case.slices, start=1):
        rows = case.rows(
            f"SELECT f.{column}, sum(f.n) FROM {fates} AS f WHERE f.fate = 'orphan' AND f.{column} IS NOT NULL "
            f"AND NOT {begun.early('bucket_us')} "
            f"AND NOT EXISTS (SELECT 1 FROM exposures AS e WHERE e.{column} = f.{column}) "
            f"GROUP BY f.{column} HAVING sum(f.n) >= {least:g} ORDER BY f.{column}"
        )
        if not rows or not case.one(f"SELECT count({column}) FROM exposures")[0]:
            continue  # of a key that no exposure has, no value is missing
        for value, n in rows:
            (found,) = case.one(
                f"SELECT coalesce(sum(n), 0) FROM {pairs} WHERE key = {place} AND matched AND own_value = {text(value)}"
            )
            if found * limits["times_rarer"] > n:
                continue  # outcomes have a value of their own where their lists have another
            condition = f"fate = 'orphan' AND {column} = {text(value)}"
            told = f"{key}={told_value(key, value)}"
            yield _missing(case, condition, told, told)


def _holes(case: Case, least: float, limits: Limits, begun: Beginning) -> Iterator[Symptom]:
    """Stretches of time with orphans in each bucket that has outcomes, and without an exposure."""
    fates, shown = case.table("fate_buckets"), case.table("exposure_buckets")
    rows = case.rows(
        f"WITH done AS (SELECT bucket_us, sum(n) AS n, sum(n) FILTER (WHERE fate = 'orphan') AS orphans FROM {fates} "
        "WHERE fate <> 'duplicate' GROUP BY bucket_us), "
        f"lists AS (SELECT bucket_us, sum(n) AS n FROM {shown} GROUP BY bucket_us) "
        "SELECT coalesce(d.bucket_us, l.bucket_us) AS bucket, coalesce(l.n, 0), coalesce(d.orphans, 0), "
        "coalesce(d.n, 0) FROM done AS d FULL OUTER JOIN lists AS l ON d.bucket_us = l.bucket_us ORDER BY bucket"
    )
    for empty, group in groupby(rows, key=lambda row: not row[1]):
        buckets = list(group)
        orphans, n = _sums(buckets)
        if not empty or orphans < least or orphans * 2 < n:
            continue
        others, of_others = _sums(_known(rows))
        if others * n * limits["times_rarer"] > orphans * of_others:
            continue
        since, until = _between(case, buckets[0][0], buckets[-1][0] + case.bucket_us)
        condition = f"fate = 'orphan' AND ts_us >= {since} AND ts_us < {until}"
        subject = f"since {instant(since)}"
        if until > begun.first_us:
            yield _missing(case, condition, f"the time from {instant(since)} to {instant(until)}", subject, since)
        else:
            yield from _before_all(case, condition, least, begun)


def _before_all(case: Case, condition: str, least: float, begun: Beginning) -> Iterator[Symptom]:
    """Outcomes of before the first exposure, where they are more than a stream leaves that was cut there."""
    (n,) = case.one(f"SELECT count(*) FROM outcome_fates WHERE {condition} AND {begun.too_early()}")
    if n < least:
        return
    found = _missing(case, condition, "", "before the exposures")
    told = instant(found.first_us or 0)
    match = case.quality.rates.match.value
    yield replace(
        found,
        severity="serious" if match is not None and match < case.joined.policy.min_match_rate else "warning",
        cause=f"The outcomes begin at {told}, the exposures at {instant(begun.first_us)}: what was shown before is not "
        "given, or was not logged.",
        fix="Give the command logs of the same time: the exposures of before too, or no outcomes of before.",
    )


def _silent(case: Case, found: Silence, all_found: Sequence[Silence]) -> Symptom:
    """Lists of a time at which no outcome comes. ``all_found``: all such times; how often lists are answered is seen at
    the others."""
    n, first, last = case.one(f"SELECT count(*), min(ts_us), max(ts_us) FROM exposures WHERE {found.within}")
    since, until = found.since_us, found.until_us
    what = (found.kind or "outcome") + (f" of {found.told}" if found.told else "")
    when = "" if since is None else f" from {instant(since)}{' on' if until is None else ''}"
    when += "" if until is None else f" until {instant(until)}"
    return Symptom(
        severity="serious",
        cause=f"There is hardly any {what}{when}, though lists are shown: at the rate of the other times about "
        f"{found.expected:,.0f} would have come, and {f'{found.came:,}' if found.came else 'none'} did.",
        fix=_SILENT_FIX,
        log="exposures",
        n=n,
        of=case.quality.exposures.distinct,
        subject=f"{what} {f'until {instant(until or 0)}' if since is None else f'since {instant(since)}'}",
        rows=Rows(query=f"SELECT request_id AS row FROM exposures WHERE {found.within}"),
        first_us=first,
        last_us=last,
        onset_us=None if since is None else first,
        shift=_as_answered(case, found, n, all_found),
    )


def _as_answered(case: Case, found: Silence, n: int, all_found: Sequence[Silence]) -> Shift | None:
    """As if these ``n`` lists were answered as often as those of the other times."""
    metric, *_ = case.headline
    kind = "conversion" if metric == "conversion_rate" else "click"
    others = " AND ".join([found.among, "n_items > 0", *(f"NOT coalesce({each.within}, FALSE)" for each in all_found)])
    inside, outside = (
        case.one(
            f"SELECT count(*) FROM outcome_fates WHERE fate = 'attributed' AND event_type = {text(kind)} "
            f"AND request_id IN (SELECT request_id FROM exposures WHERE {lists})"
        )[0]
        for lists in (found.within, others)
    )
    (of,) = case.one(f"SELECT count(*) FROM exposures WHERE {others}")
    if not of or found.kind not in {"", kind}:
        return None
    return Shift(
        clicks_found=outside / of * n - inside, note="As if those lists were answered as often as at other times."
    )


def _known(rows: Sequence[Sequence[int]]) -> list[Sequence[int]]:
    """The buckets in which there are exposures."""
    return [row for row in rows if row[1]]


def _sums(rows: Sequence[Sequence[int]]) -> tuple[int, int]:
    """(orphans, outcomes) of buckets."""
    return int(sum(row[2] for row in rows)), int(sum(row[3] for row in rows))


def _between(case: Case, since: int, until: int) -> tuple[int, int]:
    """The bounds of a hole: the exposures around it, where there are some."""
    before, after = case.one(
        f"SELECT max(ts_us) FILTER (WHERE ts_us < {since}), min(ts_us) FILTER (WHERE ts_us >= {until}) FROM exposures"
    )
    return since if before is None else before + 1, until if after is None else after


def _missing(case: Case, condition: str, what: str, subject: str, onset: int | None = None) -> Symptom:
    metric, _, _ = case.headline
    kind = "conversion" if metric == "conversion_rate" else "click"
    n, first, last, clicks = case.one(
        "SELECT count(*), min(ts_us), max(ts_us), count(*) FILTER (WHERE event_type = "
        f"{text(kind)}) FROM outcome_fates WHERE {condition}"
    )
    fates = case.quality.fates
    return Symptom(
        severity="serious",
        cause=f"There are outcomes of {what}, and not one exposure: what was shown there was not logged, or not given.",
        fix=_FIX,
        log="outcomes",
        n=n,
        of=fates.rows - fates.invalid,
        subject=subject,
        rows=Rows(query=f"SELECT row_number AS row FROM outcome_fates WHERE {condition}"),
        first_us=first,
        last_us=last,
        onset_us=first if onset is not None else None,
        shift=Shift(
            clicks_found=clicks,
            exposures_found=clicks / case.headline[1] * case.headline[2] if case.headline[1] else 0,
            note="As if the lists that are missing were answered as often as the others.",
        ),
    )


ONLY_OUTCOMES = Detector(
    name="only_outcomes",
    question="Are there exposures for the outcomes, and outcomes for the exposures?",
    look=_look,
    limits=MappingProxyType(
        {"least_outcomes": 20.0, "least_exposures": 100.0, "times_rarer": 5.0, "least_answers": 60.0, "hardly": 0.02}
    ),
)

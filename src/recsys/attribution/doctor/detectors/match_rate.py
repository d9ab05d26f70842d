"""The match rate: where and since when outcomes do not find their exposures. A symptom: others name its cause.

The stretch of time is the one whose likelihood, with a match rate of its own, is highest (the scan statistic of
Kulldorff 1997, in time); e²⁰ times that of one rate for all is asked, so that among the 28,800 stretches of 240
buckets chance passes for a fall less than once in 10,000 logs (``breakdown.STEP``). Under
``attribution.min_match_rate``, in all or within the stretch, a fall is serious. Where there is no stretch, a rate under
the minimum is serious, and one that misses more than ``warning`` a warning.

Nothing is wrong where a log is cut from a stream: at its beginning come outcomes of lists that were shown before
it. So orphans that are no later than the first exposure and what 99 % of their type's outcomes take to come
(``beginning``) are not judged by, and the facts say how many; where a fault is found, they are counted with the
others. After the last exposure only late outcomes come; there the rate of all decides, and up to ``warning`` nothing
is wrong.

Whether the lists are in the log, under other ids, or are missing as well, the outcomes do not tell: the effect is told
from the one to the other.
"""

from __future__ import annotations

from collections.abc import Collection
from types import MappingProxyType

from recsys.attribution.doctor.beginning import beginning
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
    told_value,
    total,
    where,
    within,
)
from recsys.attribution.doctor.case import Case, text
from recsys.attribution.doctor.picking import conditions
from recsys.attribution.doctor.symptoms import Detector, Limits, Rows, Shift, Symptom, Unable

LOST = "fate IN ('orphan', 'ambiguous')"
MOST_CHANGES = 4
TYPE = "event_type"
_FIX = (
    "Find what was changed at that time (the facts name what appeared in the context) and compare, for one outcome of "
    "the sample lines, its request_id with meta.request_id of the reply: `recsys-eval trace REQUEST_ID` tells."
)


def _look(case: Case, limits: Limits) -> list[Symptom]:
    if not case.quality.fates.rows - case.quality.fates.invalid:
        raise Unable("there is no valid outcome")
    begun = beginning(case)
    early = begun.early("bucket_us")
    keys = _known_keys(case, begun.early("ts_us"))
    found = _cells(case, keys, early)
    counted = total(found)
    if not counted.hit:
        return []
    place = where(found, keys)
    step = stretch(found if place is None else within(found, keys, place))
    lowest = case.joined.policy.min_match_rate
    after = _after_all(case, step)
    if (after or (step is None and place is None)) and counted.share <= limits["warning"]:
        return []
    inside = step.inside.share if step is not None else place.inside.share if place is not None else counted.share
    serious = 1 - counted.share < lowest or (1 - inside < lowest and not after)
    facts = [*filter(None, [after, _early(case, early)]), *_changes(case, step), *told_by_key(found, keys)]
    return [_symptom(case, counted, place, step, facts, serious=serious)]


def _after_all(case: Case, step: Stretch | None) -> str:
    """What explains a fall after the last exposure; empty for others."""
    (last,) = case.one("SELECT max(ts_us) FROM exposures")
    if step is not None and step.since_us is not None and last is not None and step.since_us > last:
        return "It is after the last exposure, when only late outcomes come, or such of lists that are not given."
    return ""


def _early(case: Case, condition: str) -> str:
    """The fact that some are not judged; empty where there are none."""
    rows = case.rows(
        f"SELECT event_type, sum(n) FROM {case.table('fate_buckets')} WHERE {condition} "
        "GROUP BY event_type ORDER BY event_type"
    )
    if not rows:
        return ""
    told = ", ".join(f"{kind} {int(n):,}" for kind, n in rows)
    return f"Left out of these rates, for their lists may have been shown before the first exposure: {told}."


def _known_keys(case: Case, early: str) -> tuple[str, ...]:
    """The type, and the keys that most of those without an exposure have: of the others they lack what the exposure
    would tell."""
    known = ", ".join(f"count({column})" for _, column in case.slices)
    n, *having = case.one(f"SELECT count(*), {known} FROM outcome_fates WHERE {LOST} AND NOT {early}")
    return (TYPE, *(key for (key, _), rows in zip(case.slices, having, strict=True) if rows * 2 > n))


def _cells(case: Case, keys: Collection[str], early: str) -> list[Cell]:
    """Outcomes that count in the match rate, with those that found no exposure as hits."""
    columns = "".join(f", {column}" for key, column in ((TYPE, TYPE), *case.slices) if key in keys)
    rows = case.rows(
        f"SELECT bucket_us{columns}, sum(n), coalesce(sum(n) FILTER (WHERE {LOST}), 0) "
        f"FROM {case.table('fate_buckets')} WHERE fate <> 'duplicate' AND NOT {early} GROUP BY bucket_us{columns}"
    )
    return cells(rows, len(keys))


def _symptom(
    case: Case, counted: Counted, place: Where | None, step: Stretch | None, facts: list[str], *, serious: bool
) -> Symptom:
    condition = " AND ".join([LOST, *conditions(case, place, step)])
    metric, _, _ = case.headline
    kind = "conversion" if metric == "conversion_rate" else "click"
    n, first, last, clicks = case.one(
        f"SELECT count(*), min(ts_us), max(ts_us), count(*) FILTER (WHERE event_type = {text(kind)}) "
        f"FROM outcome_fates WHERE {condition}"
    )
    fates = case.quality.fates
    since = first if step is not None and step.since_us is not None else None
    return Symptom(
        severity="serious" if serious else "warning",
        cause=_cause(counted.share, place, step, since),
        fix=_FIX,
        log="outcomes",
        n=n,
        of=fates.rows - fates.invalid - fates.duplicate,
        rows=Rows(query=f"SELECT row_number AS row FROM outcome_fates WHERE {condition}"),
        first_us=first,
        last_us=last,
        onset_us=since,
        facts=facts,
        shift=Shift(
            clicks_found=clicks,
            at_most=True,
            note="the second if the lists are logged under other ids, about the first if they are missing as well.",
        )
        if clicks
        else None,
    )


def _cause(share: float, place: Where | None, step: Stretch | None, since: int | None) -> str:
    who = "" if place is None else f" of {place}"
    if step is None:
        inside = share if place is None else place.inside.share
        told = "all the time" if place is None else f"the others' is {percent(1 - place.outside.share)}"
        return f"The match rate of the outcomes{who} is {percent(1 - inside)}, {told}: they do not find their exposure."
    when = f" at {instant(since)}" if since is not None else ""
    until = f" up to {instant(step.until_us)}" if step.until_us is not None else ""
    return (
        f"The match rate of the outcomes{who} falls{when} from {percent(1 - step.outside.share)} to "
        f"{percent(1 - step.inside.share)}{until}: they do not find their exposure."
    )


def _changes(case: Case, step: Stretch | None) -> list[str]:
    """What is in the context since that time, in exposures or in outcomes, and was not before."""
    if step is None or step.since_us is None:
        return []
    told = []
    for table, what in ((case.table("exposure_buckets"), "exposures"), (case.table("fate_buckets"), "outcomes")):
        for key, column in case.slices:
            rows = case.rows(
                f"SELECT {column}, min(bucket_us), sum(n) FROM {table} WHERE {column} IS NOT NULL GROUP BY {column} "
                f"HAVING min(bucket_us) >= {step.since_us - case.bucket_us} "
                f"AND min(bucket_us) <= {step.since_us + case.bucket_us} ORDER BY {column}"
            )
            told += [
                f"{key}={told_value(key, value)} is in the {what} since {instant(first)} ({int(n):,} rows)."
                for value, first, n in rows
                if first > _beginning(case, table)
            ]
    return list(dict.fromkeys(told))[:MOST_CHANGES]


def _beginning(case: Case, table: str) -> int:
    return case.one(f"SELECT min(bucket_us) FROM {table}")[0]


MATCH_RATE = Detector(
    name="match_rate",
    question="Do outcomes find their exposure at all times and everywhere?",
    look=_look,
    limits=MappingProxyType({"warning": 0.01}),
)

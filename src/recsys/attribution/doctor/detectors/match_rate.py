"""The match rate: where and since when outcomes do not find their exposures. A symptom: others name its cause.

The stretch of time is the one whose likelihood, with a match rate of its own, is highest (the scan statistic of
Kulldorff 1997, in time); e²⁰ times that of one rate for all is asked, so that among the 28,800 stretches of 240
buckets chance passes for a fall less than once in 10,000 logs (``breakdown.STEP``). Under
``attribution.min_match_rate``, in all or within the stretch, a fall is serious. A stretch at the beginning of the
log, up to a quarter of it, is what a cut through a stream leaves: the lists were shown before it; and after the last
exposure only late outcomes come. There the rate of all decides, and up to ``warning`` nothing is wrong. Where there
is no stretch, a rate under the minimum is serious, and one that misses more than ``warning`` a warning.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from types import MappingProxyType

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
BEGINNING = 4
"""The first so-many-th of a log's time is its beginning."""
_FIX = (
    "Find what was changed at that time (the facts name what appeared in the context) and compare, for one outcome of "
    "the sample lines, its request_id with meta.request_id of the reply: `recsys-eval trace REQUEST_ID` tells."
)


def _look(case: Case, limits: Limits) -> list[Symptom]:
    keys = _known_keys(case)
    found = _cells(case, keys)
    counted = total(found)
    if not counted.n:
        raise Unable("there is no valid outcome")
    if not counted.hit:
        return []
    place = where(found, keys)
    step = stretch(found if place is None else within(found, keys, place))
    lowest = case.joined.policy.min_match_rate
    cut = _at_an_end(case, found, step)
    if (cut or (step is None and place is None)) and counted.share <= limits["warning"]:
        return []
    inside = step.inside.share if step is not None else place.inside.share if place is not None else counted.share
    serious = 1 - counted.share < lowest or (1 - inside < lowest and not cut)
    facts = [*_changes(case, step), *_by_type(case), *told_by_key(found, keys)]
    facts = [cut, *facts] if cut else facts
    return [_symptom(case, total(found), place, step, facts, serious=serious)]


def _at_an_end(case: Case, found: Sequence[Cell], step: Stretch | None) -> str:
    """What explains a fall at an end of the exposures, where lists are missing that are of another time; empty for
    others."""
    if step is None:
        return ""
    buckets = [cell.bucket_us for cell in found]
    first, until = min(buckets), step.until_us
    if step.since_us is None and until is not None and (until - first) * BEGINNING <= max(buckets) - first:
        return "At the beginning of a log outcomes come of lists that were shown before it."
    (last,) = case.one("SELECT max(ts_us) FROM exposures")
    if step.since_us is not None and last is not None and step.since_us > last:
        return "It is after the last exposure, when only late outcomes come, or such of lists that are not given."
    return ""


def _by_type(case: Case) -> list[str]:
    """The fact how the types of outcomes differ, where they do."""
    rows = case.rows(
        f"SELECT event_type, sum(n), coalesce(sum(n) FILTER (WHERE {LOST}), 0) FROM {case.table('fate_buckets')} "
        "WHERE fate <> 'duplicate' GROUP BY event_type ORDER BY event_type"
    )
    return told_by_key([Cell(0, (kind,), int(n), int(lost)) for kind, n, lost in rows], ["event_type"])


def _known_keys(case: Case) -> tuple[str, ...]:
    """The keys that most of those without an exposure have: of the others they lack what the exposure would tell."""
    known = ", ".join(f"count({column})" for _, column in case.slices)
    n, *having = case.one(f"SELECT count(*), {known} FROM outcome_fates WHERE {LOST}")
    return tuple(key for (key, _), rows in zip(case.slices, having, strict=True) if rows * 2 > n)


def _cells(case: Case, keys: Collection[str]) -> list[Cell]:
    """Outcomes that count in the match rate, with those that found no exposure as hits."""
    columns = "".join(f", {column}" for key, column in case.slices if key in keys)
    rows = case.rows(
        f"SELECT bucket_us{columns}, sum(n), coalesce(sum(n) FILTER (WHERE {LOST}), 0) "
        f"FROM {case.table('fate_buckets')} WHERE fate <> 'duplicate' GROUP BY bucket_us{columns}"
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
    since = first if step is not None and step.since_us is not None else None
    return Symptom(
        severity="serious" if serious else "warning",
        cause=_cause(counted.share, place, step, since),
        fix=_FIX,
        log="outcomes",
        n=n,
        of=counted.n,
        rows=Rows(query=f"SELECT row_number AS row FROM outcome_fates WHERE {condition}"),
        first_us=first,
        last_us=last,
        onset_us=since,
        facts=facts,
        shift=Shift(clicks_found=clicks, note="As if all of them found their list."),
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

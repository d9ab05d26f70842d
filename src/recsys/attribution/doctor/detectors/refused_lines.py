"""Lines that validation refused: outcomes without a request_id, which no join can place, and all others.

A producer that is tested writes no bad line, so one is worth a look (``warning`` 0: any); from ``serious`` (1 %) on the
figures of what is left are of another population. Outcomes without request_id are lost to every figure, and mostly
those of one client, which is why 1 % of them is serious as well.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from recsys.attribution.doctor.breakdown import Cell, instant, percent, stretch, told_by_key, where, within
from recsys.attribution.doctor.case import Case, Refused
from recsys.attribution.doctor.symptoms import Detector, Limits, Log, Rows, Shift, Symptom, graded
from recsys.attribution.trace.rows import micros

REQUEST_ID = "$.request_id"
MOST_RULES = 6
_LOGS: tuple[Log, ...] = ("exposures", "outcomes", "assignments")


def lacks_request_id(line: Refused) -> bool:
    """Whether the line is an outcome whose request_id is absent, null or blank."""
    if line.role != "outcomes" or line.record is None or all(path != REQUEST_ID for _, path in line.broken):
        return False
    value = line.record.get("request_id")
    return value is None or (isinstance(value, str) and not value.strip())


def _look_for_ids(case: Case, limits: Limits) -> list[Symptom]:
    lines = [line for line in case.refused if lacks_request_id(line)]
    of = case.quality.fates.rows
    n = _of_all(case, "outcomes", len(lines))
    severity = graded(n, of, limits)
    if severity is None:
        return []
    keys = _known_keys(case, lines)
    found = _cells(case, lines, keys)
    place = where(found, keys)
    step = stretch(found if place is None else within(found, keys, place))
    times = [ts_us for line in lines if (ts_us := _instant(line)) is not None]
    since = (
        None if step is None or step.since_us is None else min((t for t in times if t >= step.since_us), default=None)
    )
    who = "" if place is None else f", mostly of {place}"
    when = "" if since is None else f", since {instant(since)}"
    clicks = _of_all(case, "outcomes", sum(_is_headline(case, line) for line in lines))
    return [
        Symptom(
            severity=severity,
            cause=f"{percent(n / of)} of the outcomes have no request_id{who}{when}: nothing can join them.",
            fix=(
                "Send with each outcome the request_id of the list that it answers: meta.request_id of the reply to "
                "/v1/recommend (or the X-Request-Id that was sent), kept with the rendered list up to the click."
            ),
            log="outcomes",
            n=n,
            of=of,
            rows=Rows(places=frozenset(line.place for line in lines)),
            first_us=min(times, default=None),
            last_us=max(times, default=None),
            onset_us=since,
            facts=[*_looked_at(case, "outcomes"), *told_by_key(found, keys)],
            shift=Shift(
                clicks_found=clicks * _attributed_share(case), note="As if they joined as often as the others do."
            ),
        )
    ]


def _of_all(case: Case, log: Log, n: int) -> int:
    """Of all refused lines of a log as many as ``n`` of those that were looked at, which mostly are all."""
    seen = sum(line.role == log for line in case.refused)
    invalid = getattr(case.joined.dataset, log).invalid
    return n if seen in {0, invalid} else round(n * invalid / seen)


def _looked_at(case: Case, log: Log) -> list[str]:
    """The fact that not all refused lines were looked at, where it is so."""
    seen = sum(line.role == log for line in case.refused)
    invalid = getattr(case.joined.dataset, log).invalid
    return [] if seen == invalid else [f"By the first {seen:,} of {invalid:,} refused lines; the rest is taken alike."]


def _is_headline(case: Case, line: Refused) -> bool:
    metric, _, _ = case.headline
    wanted = "conversion" if metric == "conversion_rate" else "click"
    return line.record is not None and line.record.get("event_type") == wanted


def _attributed_share(case: Case) -> float:
    return case.quality.rates.attribution.value or 0.0


def _known_keys(case: Case, lines: Sequence[Refused]) -> tuple[str, ...]:
    """The keys to break down by that most of these lines have in their own context: they have no exposure's."""
    have = Counter(key for line in lines for key in case.joined.slice_keys if _values(line.record, [key]) != (None,))
    return tuple(key for key in case.joined.slice_keys if have[key] * 2 > len(lines))


def _cells(case: Case, lines: Iterable[Refused], keys: Sequence[str]) -> list[Cell]:
    """Outcomes by bucket of time and these keys, with those that lack their id as hits."""
    columns = "".join(f", {column}" for key, column in case.slices if key in keys)
    rows = case.rows(
        f"SELECT bucket_us{columns}, sum(n) FROM {case.table('fate_buckets')} "
        f"WHERE fate <> 'duplicate' GROUP BY bucket_us{columns}"
    )
    counts: dict[tuple[int, tuple[str | None, ...]], list[int]] = defaultdict(lambda: [0, 0])
    for bucket, *values, n in rows:
        counts[bucket, tuple(values)][0] += int(n)
    for line in lines:
        ts_us = _instant(line)
        if ts_us is not None:
            bucket = ts_us // case.bucket_us * case.bucket_us
            both = counts[bucket, _values(line.record, keys)]
            both[0] += 1
            both[1] += 1
    return [Cell(bucket, values, n, hit) for (bucket, values), (n, hit) in counts.items()]


def _values(record: Any, keys: Sequence[str]) -> tuple[str | None, ...]:
    context = record.get("context") if isinstance(record, dict) else None
    known = context if isinstance(context, dict) else {}
    return tuple(value if isinstance(value := known.get(key), str) else None for key in keys)


def _instant(line: Refused) -> int | None:
    """When it was, as far as the line says; µs since 1970."""
    try:
        text = (line.record or {})["ts"]
        moment = datetime.fromisoformat(text.upper())
        return micros(moment)
    except (KeyError, TypeError, AttributeError, ValueError):
        return None


def _look_at_others(case: Case, limits: Limits) -> list[Symptom]:
    symptoms = []
    for log in _LOGS:
        read = getattr(case.joined.dataset, log)
        if read is None or not read.invalid:
            continue
        lines = [line for line in case.refused if line.role == log and not lacks_request_id(line)]
        n = _of_all(case, log, len(lines))
        severity = graded(n, read.rows, limits)
        if severity is not None:
            symptoms.append(_others(case, log, lines, n, read.rows, severity))
    return symptoms


def _others(case: Case, log: Log, lines: Sequence[Refused], n: int, of: int, severity: Any) -> Symptom:
    rules = Counter(rule for line in lines for rule in {f"{rule} at {path}" for rule, path in line.broken})
    times = [ts_us for line in lines if (ts_us := _instant(line)) is not None]
    told = [f"{rule}: {count:,} lines." for rule, count in rules.most_common(MOST_RULES)]
    if len(rules) > MOST_RULES:
        told.append(f"And {len(rules) - MOST_RULES:,} more rules.")
    told = [*_looked_at(case, log), *told]
    missing = _of_all(case, log, _headline_rows(case, lines)) if log == "outcomes" else 0
    shift = Shift(exposures_found=n, note="As if nobody responded to them.") if log == "exposures" else None
    if missing:
        found = missing * _attributed_share(case)
        shift = Shift(clicks_found=found, note="As if they joined as often as the others do.")
    return Symptom(
        severity=severity,
        cause=f"{n:,} lines of the {log} ({percent(n / of)}) break the contract and count nowhere.",
        fix=(
            f"`recsys-eval validate --schema {_SCHEMAS[log]} --input …` names each with what was expected; "
            "`--quarantine bad.jsonl` sets them aside for whoever wrote them."
        ),
        log=log,
        n=n,
        of=of,
        subject=log,
        rows=Rows(places=frozenset(line.place for line in lines)) if lines else None,
        first_us=min(times, default=None),
        last_us=max(times, default=None),
        facts=told,
        shift=shift,
    )


_SCHEMAS = {"exposures": "exposure.v1", "outcomes": "outcome.v1", "assignments": "assignment.v1"}


def _headline_rows(case: Case, lines: Iterable[Refused]) -> int:
    return sum(_is_headline(case, line) for line in lines)


MISSING_REQUEST_ID = Detector(
    name="missing_request_id",
    question="Does every outcome carry the request_id of the list that it answers?",
    look=_look_for_ids,
    limits=MappingProxyType({"warning": 0.0, "serious": 0.01}),
)
REFUSED_LINES = Detector(
    name="refused_lines",
    question="Does every line of the logs obey the contract?",
    look=_look_at_others,
    limits=MappingProxyType({"warning": 0.0, "serious": 0.01}),
)

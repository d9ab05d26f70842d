"""Lines that validation refused: outcomes without a request_id, which no join can place, and all others."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import Any

from recsys.attribution.doctor.breakdown import Cell, Where, instant, percent, told_by_key, where_and_when
from recsys.attribution.doctor.case import Case, Refused, text
from recsys.attribution.doctor.refused_instants import instant_us
from recsys.attribution.doctor.symptoms import Detector, Limits, Log, Rows, Shift, Symptom, graded
from recsys.attribution.sources import MAX_SLICE_KEYS

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
    """Outcomes without request_id are lost to every figure, and mostly they are those of one client: any are worth a
    look (``warning`` 0), and 1 % of all outcomes is ``serious``.
    """
    lines = [line for line in case.refused if lacks_request_id(line)]
    of = case.quality.fates.rows
    n = _of_all(case, "outcomes", len(lines))
    severity = graded(n, of, limits)
    if severity is None:
        return []
    found, keys, place, since = _where_and_since(case, "outcomes", lines)
    times = _times(lines)
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


def _times(lines: Iterable[Refused]) -> list[int]:
    return [ts_us for line in lines if (ts_us := instant_us(line)) is not None]


def _where_and_since(
    case: Case, log: Log, lines: Sequence[Refused]
) -> tuple[list[Cell], tuple[str, ...], Where | None, int | None]:
    """All rows of the log by bucket of time and keys, with these lines as hits; the keys; and where and since when they
    are, if only there and then."""
    keys = _known_keys(case, lines)
    found = _cells(case, log, lines, keys)
    place, step = where_and_when(found, keys)
    if step is None or step.since_us is None:
        return found, keys, place, None
    return found, keys, place, min((at for at in _times(lines) if at >= step.since_us), default=None)


def _known_keys(case: Case, lines: Sequence[Refused]) -> tuple[str, ...]:
    """The keys to break down by that most of these lines have in their own context: they have no exposure's."""
    have = Counter(key for line in lines for key in case.joined.slice_keys if _values(line.record, [key]) != (None,))
    return tuple(key for key in case.joined.slice_keys if have[key] * 2 > len(lines))


def _cells(case: Case, log: Log, lines: Iterable[Refused], keys: Sequence[str]) -> list[Cell]:
    """Rows of a log by bucket of time and these keys, with the lines as hits."""
    columns = "".join(f", {column}" for key, column in case.slices if key in keys)
    rows = case.rows(f"SELECT bucket_us{columns}, sum(n) FROM {_accepted(case, log)} GROUP BY bucket_us{columns}")
    counts: dict[tuple[int, tuple[str | None, ...]], list[int]] = defaultdict(lambda: [0, 0])
    for bucket, *values, n in rows:
        counts[bucket, tuple(values)][0] += int(n)
    for line in lines:
        ts_us = instant_us(line)
        if ts_us is not None:
            bucket = ts_us // case.bucket_us * case.bucket_us
            both = counts[bucket, _values(line.record, keys)]
            both[0] += 1
            both[1] += 1
    return [Cell(bucket, values, n, hit) for (bucket, values), (n, hit) in counts.items()]


def _accepted(case: Case, log: Log) -> str:
    """The rows of a log that were accepted, with ``bucket_us``, the slices and ``n``."""
    if log == "exposures":
        return case.table("exposure_buckets")
    if log == "outcomes":
        return f"(SELECT * FROM {case.table('fate_buckets')} WHERE fate <> 'duplicate') AS accepted"
    columns = ", ".join(f"slice_{place}" for place in range(1, MAX_SLICE_KEYS + 1))
    bucket = f"((ts_us + 864000000000) // {case.bucket_us}) * {case.bucket_us} - 864000000000"
    return f"(SELECT {bucket} AS bucket_us, {columns}, 1 AS n FROM staged_assignments) AS accepted"


def _values(record: Any, keys: Sequence[str]) -> tuple[str | None, ...]:
    context = record.get("context") if isinstance(record, dict) else None
    known = context if isinstance(context, dict) else {}
    return tuple(value if isinstance(value := known.get(key), str) else None for key in keys)


def _look_at_others(case: Case, limits: Limits) -> list[Symptom]:
    """A producer that is tested writes no bad line, so one is worth a look (``warning`` 0: any); from ``serious`` (1 %)
    on the figures of what is left are of another population. Outcomes that name a refused exposure find no list, which
    explains them. Those without request_id are not among these lines. Of each log the first 100,000 refused lines, or
    64 MiB of them, are looked at, and the rest is taken alike.
    """
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
    found, keys, place, since = _where_and_since(case, log, lines)
    who = "" if place is None else f", mostly of {place}"
    when = "" if since is None else f", since {instant(since)}"
    comma = "," if who or when else ""
    times = _times(lines)
    told = [f"{rule}: {count:,} lines." for rule, count in rules.most_common(MOST_RULES)]
    if len(rules) > MOST_RULES:
        told.append(f"And {len(rules) - MOST_RULES:,} more rules.")
    answers = _answers(case, lines) if log == "exposures" else ""
    return Symptom(
        severity=severity,
        cause=f"{n:,} lines of the {log} ({percent(n / of)}){who}{when}{comma} break the contract and count nowhere.",
        fix=(
            f"`recsys-eval validate --schema {_SCHEMAS[log]} --input …` names each with what was expected; "
            "`--quarantine bad.jsonl` sets them aside for whoever wrote them."
        ),
        log=log,
        n=n,
        of=of,
        subject=log,
        rows=Rows(places=frozenset(line.place for line in lines), outcomes=answers) if lines else None,
        first_us=min(times, default=None),
        last_us=max(times, default=None),
        onset_us=since,
        facts=[*_looked_at(case, log), *told, *told_by_key(found, keys)],
        shift=_shift(case, log, lines, n),
    )


def _shift(case: Case, log: Log, lines: Sequence[Refused], n: int) -> Shift | None:
    if log == "exposures":
        return _shift_of_exposures(case, lines, n)
    missing = _of_all(case, log, _headline_rows(case, lines)) if log == "outcomes" else 0
    if not missing:
        return None
    return Shift(clicks_found=missing * _attributed_share(case), note="As if they joined as often as the others do.")


def _shift_of_exposures(case: Case, lines: Sequence[Refused], n: int) -> Shift:
    """With the refused lists and what answers them: of those with a request_id it is counted, and the others are taken
    alike, or as the lists of the log where there are none."""
    known = sum(_request_id(line) is not None for line in lines)
    metric, clicks, shown = case.headline
    if not known:
        found = n * clicks / shown if shown else 0.0
        return Shift(exposures_found=n, clicks_found=found, note="As if they were answered as often as the others.")
    kind = "conversion" if metric == "conversion_rate" else "click"
    (answered,) = case.one(f"SELECT count(*) FROM ({_answers(case, lines)} AND event_type = {text(kind)}) AS answers")
    (lists,) = case.one(
        "SELECT count(*) FROM refused_requests AS r "
        "WHERE NOT EXISTS (SELECT 1 FROM exposures AS e WHERE e.request_id = r.request_id)"
    )
    return Shift(
        exposures_found=n * lists / known,
        clicks_found=answered * n / known,
        note="With these lists, and the outcomes that name their request_ids.",
    )


def _answers(case: Case, lines: Sequence[Refused]) -> str:
    """A query for the outcomes that find no list because it is on one of these lines of the exposures."""

    def make() -> None:
        named = {(request_id,) for line in lines if (request_id := _request_id(line)) is not None}
        case.joined.engine.load("refused_requests", {"request_id": "VARCHAR"}, sorted(named))

    case.once("refused_requests", make)
    return (
        "SELECT row_number AS row FROM outcome_fates "
        "WHERE fate = 'orphan' AND request_id IN (SELECT request_id FROM refused_requests)"
    )


def _request_id(line: Refused) -> str | None:
    value = (line.record or {}).get("request_id")
    return value if isinstance(value, str) and value.strip() else None


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

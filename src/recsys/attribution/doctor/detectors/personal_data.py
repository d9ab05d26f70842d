"""Personal data as it was typed: e-mail addresses, phone numbers, payment cards, IBANs and IP addresses in the logs.

Each id and each context key of each log is a column and is searched as one (of the contexts the 200 keys that most rows
have, and all others together), and so is what stands in lines that validation refused (the first 64 MiB of each log):
these are in the log all the same. A log is read by many and kept for long, so one value is serious
already (``values``: fewer distinct ones are silent). How often chance makes a value look like one of a kind is told
with the kinds (``personal``); a column whose values may half be chance is a warning. No value is ever told.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from types import MappingProxyType

from recsys.attribution.doctor import refused_text, text_columns
from recsys.attribution.doctor.breakdown import instant, told_by_key, where_and_when
from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.personal import ColumnSearch, Kind, Match
from recsys.attribution.doctor.symptoms import Detector, Limits, Log, Rows, Severity, Symptom
from recsys.attribution.doctor.text_columns import Batches, TextColumn

KEPT = 200_000
"""So many of the values that a column holds are kept, for their rows to be found."""
_WORDS = MappingProxyType(
    {
        Kind.EMAIL: ("e-mail address", "e-mail addresses"),
        Kind.PHONE: ("phone number", "phone numbers"),
        Kind.CARD: ("payment card number", "payment card numbers"),
        Kind.IBAN: ("bank account (IBAN)", "bank accounts (IBAN)"),
        Kind.IPV4: ("IP address (IPv4)", "IP addresses (IPv4)"),
        Kind.IPV6: ("IP address (IPv6)", "IP addresses (IPv6)"),
    }
)
_CLEAN = " Take them out of the files that are written already, and tell who is in charge of data protection."
_FIXES = MappingProxyType(
    {
        (
            "exposures",
            "user_id",
        ): "Let recsys-service write the exposures: it logs pseudonyms alone (EXPOSURE_HASH_SALT).",
        ("outcomes", "user_id"): "Send outcomes through POST /v1/outcomes, which logs pseudonyms, or hash the file: "
        "EXPOSURE_HASH_SALT=… recsys-eval hash --input outcomes.jsonl --output outcomes.hashed.jsonl.",
        ("assignments", "user_id"): "Hash the file: EXPOSURE_HASH_SALT=… recsys-eval hash --input assignments.jsonl "
        "--output assignments.hashed.jsonl.",
    }
)
_FIX_ID = "Make {name} of nothing that a person is known by: a UUID, or a number of your own."
_FIX_CONTEXT = "Leave {name} out of the context, or write what it stands for (a segment, a country) in its place."


def _look(case: Case, limits: Limits) -> list[Symptom]:
    symptoms = []
    for place, (column, batches) in enumerate(_columns(case)):
        search, values, rows = ColumnSearch(column.title, examples=KEPT), 0, 0
        for batch, counts in batches:
            search.add(batch, counts)
            values, rows = values + len(batch), rows + sum(counts)
        for match in search.found():
            if match.values >= limits["values"]:
                kept = None if match.values == values and not column.others else match.examples
                found = text_columns.rows_with(case, column, kept, f"personal_{place}_{match.kind.name.lower()}")
                of = text_columns.rows_of(case, column.log) if column.in_context else rows
                symptoms.append(_symptom(case, column, match, found, of))
    for log in text_columns.IDS:
        symptoms += _in_keys(case, log, limits)
        symptoms += _in_refused(case, log, limits)
    return symptoms


def _columns(case: Case) -> Iterator[tuple[TextColumn, Batches]]:
    for column in text_columns.ids(case):
        yield column, text_columns.readable(case, column)
    yield from text_columns.readable_contexts(case)


def _symptom(case: Case, column: TextColumn, match: Match, rows: Rows, of: int) -> Symptom:
    own = column.name if column.in_context else ""
    keys = tuple(key for key in case.joined.slice_keys if key != own)
    cells = text_columns.cells_of(case, column.log, rows, keys)
    place, seen = where_and_when(cells, keys)
    first, last = text_columns.span(case, column.log, rows)
    onset = None if seen is None or seen.since_us is None else max(first or seen.since_us, seen.since_us)
    told = "" if place is None else f", mostly of {place}"
    told += f", since {instant(onset)}" if onset is not None else ""
    fix = _FIX_CONTEXT if column.in_context else _FIXES.get((column.log, column.name), _FIX_ID)
    return Symptom(
        severity=_severity(match),
        cause=f"{column.told} of {column.log} holds {_amount(match.kind, match.values)} in {match.rows:,} rows{told}.",
        fix=fix.format(name=column.told) + _CLEAN,
        log=column.log,
        n=match.rows,
        of=of,
        subject=f"{column.log}.{column.told} {match.kind}",
        rows=rows,
        first_us=first,
        last_us=last,
        onset_us=onset,
        facts=[*_by_chance(match), *told_by_key(cells, keys)],
    )


def _amount(kind: Kind, values: int) -> str:
    return f"{values:,} {_WORDS[kind][values != 1]}"


def _severity(match: Match) -> Severity:
    return "warning" if match.by_chance >= match.values / 2 else "serious"


def _by_chance(match: Match) -> list[str]:
    return [f"Of these about {match.by_chance:,.0f} may look so by chance."] if match.by_chance >= 1 else []


def _in_keys(case: Case, log: Log, limits: Limits) -> Iterator[Symptom]:
    """Identifiers that are the keys of contexts."""
    search = ColumnSearch(f"{log}.context", examples=KEPT)
    for keys, counts in text_columns.keys(case, log):
        search.add(keys, counts)
    for match in search.found():
        if match.values >= limits["values"]:
            yield Symptom(
                severity=_severity(match),
                cause=f"Keys of the contexts of {log} are {_amount(match.kind, match.values)}, in {match.rows:,} rows.",
                fix="Use words as keys, and no personal data as values." + _CLEAN,
                log=log,
                n=match.rows,
                of=text_columns.rows_of(case, log),
                subject=f"{log}.context keys {match.kind}",
                rows=text_columns.rows_with(case, TextColumn(log, match.examples[0], in_context=True), None, ""),
            )


def _in_refused(case: Case, log: Log, limits: Limits) -> Iterator[Symptom]:
    """Identifiers in lines that validation refused; each line counts once for each kind."""
    lines = [line for line in case.refused if line.role == log]
    if not lines:
        return
    concerned: dict[Kind, set[int]] = defaultdict(set)
    values: Counter[Kind] = Counter()
    for name, match in _matches_in_refused(case, log):
        values[match.kind] += match.values
        concerned[match.kind].update(refused_text.lines_with(case, log, name, match.examples))
    for kind, numbers in concerned.items():
        if values[kind] >= limits["values"]:
            yield Symptom(
                severity="serious",
                cause=f"Lines of {log} that validation refused hold {_amount(kind, values[kind])}, {len(numbers):,} "
                f"of {len(lines):,} lines: they count in no figure, but they are in the log.",
                fix="Take the lines out of the log, and see to it that what writes them logs no personal data.",
                log=log,
                n=len(numbers),
                of=len(lines),
                subject=f"{log} refused {kind}",
                rows=Rows(places=frozenset(lines[number].place for number in numbers)),
            )


def _matches_in_refused(case: Case, log: Log) -> Iterator[tuple[str, Match]]:
    """What stands under each name."""
    for name, batches in refused_text.by_name(case, log):
        search = ColumnSearch(f"{log}.{name}", examples=KEPT)
        for batch, counts in batches:
            search.add(batch, counts)
        yield from ((name, match) for match in search.found())


PERSONAL_DATA = Detector(
    name="personal_data",
    question="Is there personal data in ids, contexts or refused lines?",
    look=_look,
    limits=MappingProxyType({"values": 1}),
)

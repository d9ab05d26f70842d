"""Hypothesis strategies of the event records: as values, as lines in many spellings, and as lines that may be wrong."""

import json
import math
import re

from hypothesis import strategies as st

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
HASH = st.text("0123456789abcdef", min_size=64, max_size=64)

ids = st.one_of(
    st.text("abcXYZ019_-.:/@", min_size=1, max_size=12),
    st.text(
        st.characters(exclude_categories=["Cs", "Cc"], include_characters='"\\ é日\u00a0\u2028'),
        min_size=1,
        max_size=8,
    ),
    st.just("x" * 512),
).filter(lambda text: text.strip() and not CONTROL.search(text))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
contexts = st.dictionaries(st.sampled_from(["tenant_id", "surface", "anonymous", "a b", "", ":", 'q"', "é"]), texts)
ranks = st.one_of(st.integers(1, 20), st.integers(1, 2**31 - 1))
probabilities = st.one_of(st.floats(0, 1), st.sampled_from([0, 1]))
numbers = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**30), 10**30))
amounts = st.one_of(st.floats(0, 1e308), st.integers(0, 10**20))


@st.composite
def timestamps(draw) -> str:
    """RFC 3339 with an offset, from 1970 to 2200, in all spellings that the contract allows."""
    day = draw(st.dates(_day(1970, 1, 1), _day(2200, 12, 31)))
    clock = draw(st.times()).replace(microsecond=0)
    fraction = draw(st.one_of(st.just(""), st.text("0123456789", min_size=1, max_size=6).map(lambda text: f".{text}")))
    offset = draw(st.sampled_from(["Z", "z", "+00:00", "-00:00", "+05:30", "-23:59"]))
    return f"{day.isoformat()}{draw(st.sampled_from('Tt'))}{clock.isoformat()}{fraction}{offset}"


def _day(year: int, month: int, day: int):
    from datetime import date

    return date(year, month, day)


def record(required: dict, optional: dict) -> st.SearchStrategy[dict]:
    """An object with the required fields and any of the optional ones."""
    return st.fixed_dictionaries(required, optional=optional)


items = record(
    {"item_id": ids, "rank": ranks},
    {"propensity": probabilities, "logging_propensity": probabilities, "target_propensity": probabilities},
)
exposures = record(
    {"request_id": ids, "user_id": ids, "ts": timestamps(), "items": st.lists(items, max_size=3)},
    {"context": contexts, "latency_ms": amounts, "error": st.booleans()},
)
outcomes = record(
    {
        "request_id": ids,
        "user_id": ids,
        "item_id": ids,
        "event_type": st.sampled_from(["click", "conversion"]),
        "ts": timestamps(),
    },
    {"value": numbers, "event_id": ids, "context": contexts},
)
assignments = record(
    {"experiment_id": ids, "variant": ids, "request_id": ids, "user_id": ids, "ts": timestamps()},
    {"context": contexts},
)
ranklists = record(
    {"request_id": ids, "user_id": ids, "ts": timestamps(), "items": st.lists(ids, max_size=3)}, {"context": contexts}
)
service_exposures = record(
    {
        "schema_version": st.just("v1"),
        "timestamp": timestamps(),
        "request_id": ids,
        "tenant_id": texts,
        "surface": texts,
        "items": st.lists(
            record({"item_id": ids, "rank": ranks, "score": numbers}, {"propensity": probabilities}), max_size=3
        ),
    },
    {
        **dict.fromkeys(
            ["segment", "algo_version", "config_version", "rules_version", "manifest_version", "release"], texts
        ),
        "experiment": record({"id": ids}, {"variant": ids}),
        "subject": record({}, dict.fromkeys(["user_id_hash", "anonymous_id_hash", "session_id_hash"], HASH)),
        "context": record({}, dict.fromkeys(["locale", "device", "country", "now"], texts)),
        "latency_ms": amounts,
        "error": st.booleans(),
    },
)
RECORDS = {
    "exposure.v1": exposures,
    "outcome.v1": outcomes,
    "assignment.v1": assignments,
    "ranklist.v1": ranklists,
    "service_v1": service_exposures,
}
SCHEMAS = sorted(RECORDS)

_SEPARATORS = [(",", ":"), (", ", ": "), (" ,\t", " :"), (",", "\t:\r")]


@st.composite
def spelled(draw, value) -> bytes:
    """One JSON line for ``value``: any order of keys, blanks between tokens, escapes or plain UTF-8."""
    if isinstance(value, dict):
        value = dict(draw(st.permutations(list(value.items()))))
    separators = draw(st.sampled_from(_SEPARATORS))
    text = json.dumps(value, separators=separators, ensure_ascii=draw(st.booleans()), allow_nan=True)
    return (draw(st.sampled_from(["", " ", "\t"])) + text + draw(st.sampled_from(["", "\r", " "]))).encode(
        "utf-8", "surrogatepass"
    )


@st.composite
def lines(draw, schema: str) -> bytes:
    """A valid line of the schema."""
    return draw(spelled(draw(RECORDS[schema])))


JUNK = st.one_of(
    st.sampled_from([None, True, 0, -1, 1, 1.0, 1.5, -0.0, 2**31, 2**64, 10**400, 1e308, math.inf, math.nan]),
    st.sampled_from(["", " ", "\u00a0", "\u3000 ", "a\x00", "a\x7f", "\x85", "a\n", "é" * 513, "\ud800", "click"]),
    st.sampled_from([[], {}, ["a"], [[]], {"a": 1}, {"a": "b"}, {"tenant_id": None}]),
    st.sampled_from(
        [
            "2026-02-05T10:00:00",
            "2026-02-05 10:00:00Z",
            "2026-02-05T10:00:00+0000",
            "2026-02-05T10:00:00.1234567Z",
            "2026-02-05T10:00:00.Z",
            "2026-02-05T24:00:00Z",
            "2026-02-05T23:59:60Z",
            "2026-02-29T10:00:00Z",
            "2024-02-29T10:00:00Z",
            "2100-02-29T10:00:00Z",
            "1969-12-31T23:59:59Z",
            "2201-01-01T00:00:00Z",
            "2026-04-31T10:00:00Z",
            "2026-02-05T10:00:00Z\n",
            "2026-02-05T10:00:00Z\n2026-02-05T10:00:00Z",
            "٢026-02-05T10:00:00Z",
            1770285600,
        ]
    ),
)


def places(value, path=()) -> list[tuple]:
    """All paths of a JSON value, the empty one for itself included."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, member in below for place in places(member, (*path, key)))]


def _changed(value, path, change):
    if not path:
        return change(value)
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _changed(copy[path[0]], path[1:], change)
    return copy


@st.composite
def mutated_records(draw, schema: str):
    """A record with a field replaced, removed or added somewhere: usually, not always, wrong."""
    value = draw(RECORDS[schema])
    path = draw(st.sampled_from(places(value)))
    junk = draw(JUNK)
    match draw(st.sampled_from(["replace", "remove", "add"])):
        case "remove" if path:

            def without(parent):
                if isinstance(parent, dict):
                    return {key: member for key, member in parent.items() if key != path[-1]}
                return [member for place, member in enumerate(parent) if place != path[-1]]

            return _changed(value, path[:-1], without)
        case "add":
            name = draw(st.sampled_from(["extra", "score", "rank", "userid", "ts ", ""]))
            return _changed(value, path, lambda old: {**old, name: junk} if isinstance(old, dict) else old)
        case _:
            return _changed(value, path, lambda _: junk)


_INSERTS = [b"\x00", b"\xef\xbb\xbf", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\\u0041", b"\\x", b"\t", b"\x01", b"\x0c"]
_INSERTS += [
    b'"',
    b"{",
    b"}",
    b"]",
    b",",
    b":",
    b" ",
    b"\r",
    b"0",
    b".0",
    b"e0",
    b"e999",
    b"-",
    b"null",
    b"NaN",
    b"\x7f",
]


@st.composite
def mutated_lines(draw, schema: str) -> bytes:
    """A line that may be wrong: a changed record, a key given twice, bytes cut, put in or doubled."""
    kind = draw(st.sampled_from(["record", "record", "key", "bytes", "cut", "number", "line"]))
    if kind == "record":
        return draw(spelled(draw(mutated_records(schema))))
    if kind == "line":
        known = [b"", b" ", b"\r", b"null", b"[]", b"{}", b"1", b"\x00" * 9, b"[" * 600 + b"]" * 600, b"{" * 5000]
        return draw(st.sampled_from(known))
    line = draw(lines(schema))
    match kind:
        case "key":
            members = [found.group() for found in re.finditer(rb'"[a-z_]+"[ \t]*:[ \t\r]*("[^"\\{}]*"|[0-9.]+)', line)]
            place = draw(st.sampled_from([found.end() for found in re.finditer(rb"\{", line)]))
            blank = draw(st.sampled_from([b"", b" ", b"\t", b"\r"]))
            twice = draw(st.sampled_from(members)).replace(b'":', b'"' + blank + b":", 1)
            return line[:place] + twice + b"," + line[place:]
        case "number":
            found = [match.span() for match in re.finditer(rb"(?<=[:\t\r ])-?[0-9.]+(e[+-]?[0-9]+)?", line)]
            start, end = draw(st.sampled_from(found or [(0, 0)]))
            other = [
                b"1.0",
                b"1e0",
                b"01",
                b"1.",
                b".5",
                b"+1",
                b"1e400",
                b"-1e400",
                b"Infinity",
                b"1e-999",
                b"9" * 4500,
            ]
            return line[:start] + draw(st.sampled_from(other)) + line[end:]
        case "cut":
            return line[: draw(st.integers(0, len(line)))]
    place = draw(st.integers(0, len(line)))
    return line[:place] + draw(st.sampled_from(_INSERTS)) + line[place + draw(st.integers(0, 2)) :]


def any_lines(schema: str) -> st.SearchStrategy[bytes]:
    """Valid and mutated lines, without newlines."""
    return st.one_of(lines(schema), mutated_lines(schema)).map(lambda line: line.replace(b"\n", b" "))

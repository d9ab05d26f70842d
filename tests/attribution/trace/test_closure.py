"""The fates of a trace are those of the whole join, though it reads a few rows only."""

import itertools
import json
import tempfile
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import join_oracle as oracle
import strategies
from recsys.attribution import sources
from recsys.attribution.opening import joined_logs
from recsys.attribution.policies import CHOICES, CREDITS
from recsys.attribution.policy import Fallback, Policy
from recsys.attribution.trace import closure
from recsys.attribution.trace.judged import judge
from recsys.attribution.trace.logs import Logs
from recsys.contracts.events import Outcome

# Ids that JSON can spell in several ways, that begin alike, and that other fields hold too
REQUESTS = ["1", "10", 'é/"1', "\\u0031", "日本 😀", "u1", "gone"]
USERS = ["u1", "1", "é"]
ITEMS = ["a", "1", "é"]
AT = [f"2026-02-05T10:{minute:02}:{second:02}Z" for minute, second in ((0, 0), (0, 2), (0, 9), (1, 0), (40, 0))]
limits = st.sampled_from([None, 0.0, 9.0, 3600.0])
contexts = st.dictionaries(
    st.sampled_from(["tenant_id", "surface", "anonymous"]), st.sampled_from(["a", "true", "1"]), max_size=2
)


@st.composite
def exposures(draw):
    listed = draw(st.lists(st.sampled_from(ITEMS), max_size=3))
    return {
        "request_id": draw(st.sampled_from(REQUESTS[:-1])),
        "user_id": draw(st.sampled_from(USERS)),
        "ts": draw(st.sampled_from(AT)),
        "items": [{"rank": draw(st.integers(1, 3)), "item_id": item} for item in listed],
        "context": draw(contexts),
    }


@st.composite
def outcomes(draw):
    row = {
        "request_id": draw(st.sampled_from(REQUESTS)),
        "user_id": draw(st.sampled_from(USERS)),
        "item_id": draw(st.sampled_from(ITEMS)),
        "event_type": draw(st.sampled_from(["click", "conversion"])),
        "ts": draw(st.sampled_from(AT)),
        "context": draw(contexts),
    }
    if draw(st.integers(0, 2)) == 0:
        row["event_id"] = draw(st.sampled_from(["1", "é"]))
    return {**row, "value": draw(st.sampled_from([0, 1.5, 1e30]))} if draw(st.booleans()) else row


logs = st.tuples(st.lists(exposures(), max_size=6), st.lists(outcomes(), min_size=1, max_size=12))
policies = st.builds(
    Policy,
    tolerance_s=st.sampled_from([0.0, 5.0]),
    windows_s=st.fixed_dictionaries({"click": limits, "conversion": limits}),
    **{key: st.sampled_from(known) for key, known in CHOICES.items()},
    fallback=st.none()
    | st.builds(Fallback, credit=st.sampled_from(CREDITS), window_s=st.sampled_from([None, 9.0, 1e6])),
)


def shape(row, *more):
    """What tells outcomes apart, as far as anything can."""
    context = row.get("context", {})
    event, value = row.get("event_id"), row.get("value")
    value = None if value is None else float(value)
    key = row["request_id"], row["user_id"], row["item_id"], row["event_type"], oracle.micros(row["ts"])
    return (*key, value, event, context.get("tenant_id"), context.get("surface"), *more)


def of_whole_join(named, policy):
    """Each outcome with its fate, and with each list that it is credited to, as the join of all rows has it."""
    columns = "s.request_id, s.user_id, s.item_id, s.event_type, s.ts_us, s.value, s.event_id, s.slice_1, s.slice_2"
    both = "INNER JOIN staged_outcomes AS s ON s.row_number = f.row_number"
    with joined_logs(named, policy) as joined:
        fates = joined.engine.rows(f"SELECT {columns}, f.fate, f.conflicting FROM outcome_fates AS f {both}")
        credited = joined.engine.rows(
            f"SELECT {columns}, f.exposure_request_id, f.shown_rank, f.n_exposures FROM inferred_credits AS f {both}"
        )
    return Counter(fates), Counter(credited)


def of_trace(named, request_id, policy, scratch):
    """The same of one request, out of its closure."""
    found = closure.of_request(logs := Logs(named, scratch), request_id, policy)
    judged = judge(found.rows, logs.aliases, policy, scratch)
    fates, credited = Counter(), Counter()
    for row, fate in zip(found.rows["outcomes"], judged.fates, strict=True):
        assert isinstance(row.record, Outcome)
        values = msgspec.to_builtins(row.record)
        if row.record.request_id == request_id:
            fates[shape(values, fate.fate, fate.conflicting)] += 1
        for credit in fate.credits:
            if request_id in {row.record.request_id, credit.request_id}:
                credited[shape(values, credit.request_id, credit.rank, credit.shared)] += 1
    return fates, credited


def write(folder, role, rows, cuts):
    """The rows spelt as they are given (bytes), in so many files."""
    names = []
    for cut in range(cuts):
        path = folder / f"{role}-{cut}.jsonl"
        path.write_bytes(b"".join(line + b"\n" for line in rows[cut::cuts]))
        names.append(str(path))
    return names


@st.composite
def spelt(draw, value) -> bytes:
    """One JSON line for ``value`` in which any character of a string may be escaped, in every way that JSON knows."""
    line = draw(strategies.spelled(value))
    if draw(st.booleans()):
        return line
    ways = draw(st.lists(st.integers(0, 5), min_size=1, max_size=7))
    return _encoded(value, itertools.cycle(ways)).encode()


def _encoded(value, ways) -> str:
    if isinstance(value, str):
        return f'"{"".join(_character(char, next(ways)) for char in value)}"'
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}":{_encoded(member, ways)}' for key, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_encoded(member, ways) for member in value) + "]"
    return json.dumps(value)


def _character(char: str, way: int) -> str:
    units = char.encode("utf-16-be").hex()
    escaped = "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))
    if way == 0:
        return escaped
    if way == 1:
        return escaped.upper().replace("\\U", "\\u")
    if char in '"\\' or (char == "/" and way == 2):
        return f"\\{char}"
    return char


def check(lists, events, policy, cuts, requests):
    """These requests, under the whole join and under the trace."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        named = sources.from_options(write(folder, "e", lists, cuts), write(folder, "o", events, cuts))
        fates, credited = of_whole_join(named, policy)
        for number, request in enumerate(requests):
            (scratch := folder / f"scratch-{number}").mkdir()
            own, own_credits = of_trace(named, request, policy, scratch)
            assert own == Counter({row: n for row, n in fates.items() if row[0] == request})
            assert own_credits == Counter({row: n for row, n in credited.items() if request in {row[0], row[9]}})


def shown(request, user, minute, *items, **more):
    """A list of a user, at so many minutes past ten."""
    listed = [{"item_id": item, "rank": rank} for rank, item in enumerate(items, 1)]
    return {"request_id": request, "user_id": user, "ts": f"2026-02-05T10:{minute:02}:00Z", "items": listed, **more}


def done(request, user, minute, item, **more):
    """A click of a user, at so many minutes past ten."""
    ts = f"2026-02-05T10:{minute:02}:00Z"
    return {"request_id": request, "user_id": user, "item_id": item, "event_type": "click", "ts": ts, **more}


# What a fallback must look at beyond the request itself, each case with users, items and requests of its own
CASES = {
    "a later list takes the credit": (
        [shown("a1", "a", 0, "x"), shown("a2", "a", 5, "x")],
        [done("gone-a", "a", 6, "x")],
    ),
    "a list with the outcome's own id": (
        [shown("b1", "b", 0, "x"), shown("b2", "other", 0, "y")],
        [done("b2", "b", 6, "x")],
    ),
    "another list with the outcome's own id": (
        [shown("c1", "c", 0, "x"), shown("c2", "other", 0, "y"), shown("c2", "other", 1, "z")],
        [done("c2", "c", 6, "x")],
    ),
    "a copy of another user's event": (
        [shown("d1", "d", 0, "x")],
        [done("gone-d", "d", 6, "x", event_id="e"), done("gone-e", "other", 1, "x", event_id="e")],
    ),
    "a copy under the same key": (
        [shown("f1", "f", 0, "x")],
        [done("gone-f", "f", 6, "x"), done("gone-f", "another", 6, "x")],
    ),
    "the later list is ambiguous": (
        [shown("g1", "g", 0, "x"), shown("g2", "g", 5, "x"), shown("g2", "other", 50, "y")],
        [done("gone-g", "g", 6, "x")],
    ),
    "the later list was delivered earlier, to somebody else": (
        [shown("h1", "h", 3, "x"), shown("h2", "h", 5, "x"), shown("h2", "other", 1, "x")],
        [done("gone-h", "h", 6, "x")],
    ),
    "an event of the request is a copy of a later row": (
        [shown("i1", "i", 5, "x")],
        [done("i1", "i", 6, "x", event_id="i"), done("gone-i", "i", 1, "y", event_id="i")],
    ),
}


@pytest.mark.parametrize(
    ("credit", "requests"), [("last", None), ("first", ["a1", "a2", "h1"]), ("all", ["a1", "gone-a", "h2"])]
)
def test_a_fallback_looks_farther(credit, requests):
    """Who else could have the credit, and whether an outcome is an orphan, is seen though no row of it has the id."""
    lists, events = ([json.dumps(row).encode() for case in CASES.values() for row in case[place]] for place in (0, 1))
    every = {json.loads(row)["request_id"] for row in [*lists, *events]}
    check(lists, events, Policy(fallback=Fallback(credit=credit)), 1, requests or sorted(every))


@settings(max_examples=8, deadline=None)
@given(st.data(), logs, policies, st.integers(1, 2))
def test_fates_are_those_of_the_whole_join(data, log, policy, cuts):
    """For random logs in any spelling, under any policy: fates and inferred credits are the same."""
    lists, events = ([data.draw(spelt(row)) for row in rows] for rows in log)
    check(lists, events, policy, cuts, [data.draw(st.sampled_from(REQUESTS))])


@pytest.mark.long
@pytest.mark.timeout(1800)
@settings(max_examples=150, deadline=None)
@given(st.data(), logs, policies, st.integers(1, 3))
def test_fates_are_those_of_the_whole_join_on_many_logs(data, log, policy, cuts):
    """The same for every request, and for one that no row has."""
    lists, events = ([data.draw(spelt(row)) for row in rows] for rows in log)
    check(lists, events, policy, cuts, [*REQUESTS, "none"])

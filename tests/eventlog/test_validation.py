"""Validation: never laxer than the published schema, stricter only where it says so, and one verdict on every path."""

import json
import re
from datetime import datetime

import jsonschema
import jsonschema_rs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import strategies
from recsys.contracts import schema as schemas
from recsys.contracts.types import MAX_LINE_BYTES, TIMESTAMP_PATTERN
from recsys.errors import InputError
from recsys.eventlog import checks, ranges, validation
from recsys.eventlog.faults import findings

RUST = {name: jsonschema_rs.validator_for(schemas.build(name)) for name in strategies.SCHEMAS}
PYTHON = {name: jsonschema.Draft202012Validator(schemas.build(name)) for name in strategies.SCHEMAS}
CHECKERS = {name: checks.checker(name) for name in strategies.SCHEMAS}
EXPOSURE = (
    b'{"request_id":"r","user_id":"u","ts":"2026-02-05T10:00:00Z","items":[{"item_id":"a","rank":1}],'
    b'"context":{"surface":"home"}}'
)
OUTCOME = b'{"request_id":"r","user_id":"u","item_id":"a","event_type":"click","ts":"2026-02-05T10:00:00Z"}'
schemas_named = pytest.mark.parametrize("schema", strategies.SCHEMAS)


class NotJsonError(Exception):
    """The oracle's reader met something that RFC 8259 does not know."""


def parsed(line: bytes):
    """The line by Python's JSON reader alone: (value, whether a key stands twice, whether 1.0 stands for a rank)."""
    traits = {"twice": False, "whole": False}

    def pairs(members):
        traits["twice"] |= len(dict(members)) != len(members)
        traits["whole"] |= any(k == "rank" and isinstance(v, float) and v == int(v) for k, v in members if v == v)
        return dict(members)

    def refuse(name):
        raise NotJsonError(name)

    def number(digits):
        return int(digits) if len(digits) < 4000 else float(digits)

    return json.loads(line.decode(), object_pairs_hook=pairs, parse_constant=refuse, parse_int=number), traits


def rust_says(schema: str, value) -> bool:
    try:
        return RUST[schema].is_valid(value)
    except ValueError:  # lone surrogates, nesting
        return False


def listed_cause(line: bytes, traits: dict) -> bool:
    """Whether the contract names a reason to be stricter than the schema."""
    return traits["twice"] or traits["whole"] or bool(re.search(rb"\\u[dD][89a-fA-F]", line))


def ours_says(schema: str, line: bytes) -> bool:
    return not CHECKERS[schema](line)


def agree(schema: str, line: bytes) -> None:
    """The schema, by two libraries, and our check come to one verdict, but for the causes that are listed."""
    ours = ours_says(schema, line)
    try:
        value, traits = parsed(line)
    except (ValueError, NotJsonError, RecursionError, OverflowError):
        assert not ours, "accepted what is no JSON"
        return
    if ours:
        assert rust_says(schema, value), "laxer than the schema by jsonschema-rs"
        assert PYTHON[schema].is_valid(value), "laxer than the schema by jsonschema"
    elif rust_says(schema, value):
        assert listed_cause(line, traits), "stricter than the schema"
    else:
        # Python's `$` also matches before a last newline, as ECMAScript's does not.
        assert not PYTHON[schema].is_valid(value) or b"\\n" in line or b"\\ud" in line.lower()


@schemas_named
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_valid_lines_are_accepted(schema, data):
    """Every spelling of a valid record is accepted, by us and by both schema libraries."""
    line = data.draw(strategies.lines(schema))
    assert ours_says(schema, line), findings(line, schema)
    agree(schema, line)


@schemas_named
@settings(max_examples=70, deadline=None)
@given(data=st.data())
def test_never_laxer_than_the_schema(schema, data):
    """A line that may be wrong gets the verdict of the JSON Schema, or a stricter one for a listed cause."""
    agree(schema, data.draw(strategies.mutated_lines(schema)).replace(b"\n", b" "))


@settings(max_examples=200, deadline=None)
@given(
    text=st.one_of(
        st.from_regex(TIMESTAMP_PATTERN), strategies.timestamps(), st.text("0123456789-T:.Zz+ \n", max_size=32)
    )
)
@example("2026-02-05T10:00:00Z\n2026-02-05T10:00:00Z")
@example("2026-02-05T23:59:60Z")
def test_timestamps_are_those_that_engines_read(text):
    """A timestamp that is accepted is one that a calendar knows, with an offset, from 1970 to 2200."""
    line = OUTCOME.replace(b'"2026-02-05T10:00:00Z"', json.dumps(text).encode())
    agree("outcome.v1", line)
    if ours_says("outcome.v1", line):
        moment = datetime.fromisoformat(text.upper().replace("Z", "+00:00"))
        assert moment.tzinfo is not None
        assert 1970 <= moment.year <= 2200


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (OUTCOME.replace(b"{", b'{"user_id":"u",'), "duplicate-key"),
        (OUTCOME.replace(b"{", b'{"user_id" :"u",'), "duplicate-key"),
        (OUTCOME.replace(b"{", b'{"user_id"\t:"u",'), "duplicate-key"),
        (OUTCOME.replace(b"{", b'{"user\\u005fid":"u",'), "duplicate-key"),
        (OUTCOME.replace(b"}", b',"context":{"a":"b","a":"b"}}'), "duplicate-key"),
        (OUTCOME.replace(b"}", b',"context":{"a":"\\ud800"}}'), "surrogate"),
        (OUTCOME.replace(b"}", b',"context":{"\\udfff":"a"}}'), "surrogate"),
        (EXPOSURE.replace(b'"rank":1', b'"rank":1.0'), "type"),
        (EXPOSURE.replace(b'"rank":1', b'"rank":1e0'), "type"),
        (OUTCOME.replace(b"10:00:00Z", b"23:59:60Z"), "timestamp"),
    ],
)
def test_the_listed_strictness(line, rule):
    """Duplicate keys, 1.0 for an integer, leap seconds and lone surrogates are refused, and named."""
    schema = "exposure.v1" if b'"items"' in line else "outcome.v1"
    assert not ours_says(schema, line)
    assert [finding.rule for finding in findings(line, schema)] == [rule]


@schemas_named
@settings(max_examples=70, deadline=None)
@given(data=st.data())
def test_all_paths_agree_on_every_line(schema, data):
    """Alone, in a block, and in the slow pass that explains, a line gets one verdict."""
    block = data.draw(st.lists(strategies.any_lines(schema), min_size=1, max_size=6))
    alone = [place for place, line in enumerate(block) if CHECKERS[schema](line)]
    explained = [place for place, line in enumerate(block) if findings(line, schema)]
    assert alone == explained
    assert CHECKERS[schema](b"\n".join(block)) == alone


@schemas_named
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_a_block_of_valid_ascii_lines_is_valid(schema, data):
    """Valid lines stay valid in a block, whatever colons and blanks their values hold."""
    block = data.draw(st.lists(strategies.lines(schema), min_size=2, max_size=5))
    assert CHECKERS[schema](b"\n".join(block)) == []


def of_file(content: bytes, schema: str) -> tuple[int, list[tuple[int, int, int]]]:
    """What a file should give, by splitting it: (lines, [(offset, length, line) of the bad ones])."""
    if not content:
        return 0, []
    lines = content.removesuffix(b"\n").split(b"\n")
    bad, offset = [], 0
    for number, line in enumerate(lines, start=1):
        if findings(line, schema):
            bad.append((offset, len(line), number))
        offset += len(line) + 1
    return len(lines), bad


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(
        st.one_of(st.just(OUTCOME), st.sampled_from([b"", b"\r", b"\x00\x00", b"\xef\xbb\xbf" + OUTCOME]),
                  strategies.any_lines("outcome.v1")), max_size=12),
    ending=st.sampled_from([b"", b"\n", b"\r\n", b"\n\n"]),
    newline=st.sampled_from([b"\n", b"\r\n"]),
    block_bytes=st.sampled_from([3, 64, 500]),
    range_bytes=st.sampled_from([11, 150, 10**6]),
)  # fmt: skip
def test_files_are_cut_into_blocks_and_ranges_without_loss(
    lines, ending, newline, block_bytes, range_bytes, tmp_path_factory
):
    """Rows, and the place of each bad line, do not depend on where blocks and ranges are cut."""
    content = newline.join(lines) + ending
    path = tmp_path_factory.mktemp("cut") / "log.jsonl"
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "BLOCK_BYTES", block_bytes)
        patch.setattr(validation, "RANGE_BYTES", range_bytes)
        file = validation.validate([path], "outcome.v1", workers=1)[0]
    assert (file.rows, [(bad.offset, bad.length, bad.line) for bad in file.bad]) == of_file(content, "outcome.v1")
    assert {fault.line for fault in file.faults} == {bad.line for bad in file.bad}
    assert sum(file.rules.values()) == len(file.faults)


@pytest.mark.parametrize("newline_at_end", [True, False])
@pytest.mark.parametrize("at", [0, 3])
def test_a_line_of_20_mb_is_one_fault(tmp_path, at, newline_at_end):
    """A line over the limit is one bad line, wherever it stands; its neighbours are read as usual."""
    long = b"x" * (20 << 20)
    lines = [OUTCOME] * 6
    lines[at] = long
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n" * newline_at_end)
    file = validation.validate([path], "outcome.v1", workers=1)[0]
    assert file.rows == 6
    assert [(bad.offset, bad.length, bad.line) for bad in file.bad] == [(at * (len(OUTCOME) + 1), len(long), at + 1)]
    assert file.rules == {"line-length": 1}
    assert file.faults[0].found == f"{len(long):,} bytes"


def test_a_long_line_over_the_edge_of_a_range(tmp_path, monkeypatch):
    """The lines before a long one keep their verdict where a range ends inside the long one."""
    monkeypatch.setattr(ranges, "MAX_LINE_BYTES", 1000)
    monkeypatch.setattr(checks, "MAX_LINE_BYTES", 1000)
    monkeypatch.setattr("recsys.eventlog.faults.MAX_LINE_BYTES", 1000)
    path = tmp_path / "log.jsonl"
    content = b"\n".join([OUTCOME, OUTCOME, b"y" * 3000, OUTCOME, b"z" * 999, OUTCOME]) + b"\n"
    path.write_bytes(content)
    for block_bytes in (64, 256, 4096):
        for range_bytes in (50, 210, 250, 2000, 3300):
            monkeypatch.setattr(ranges, "BLOCK_BYTES", block_bytes)
            monkeypatch.setattr(validation, "RANGE_BYTES", range_bytes)
            file = validation.validate([path], "outcome.v1", workers=1)[0]
            assert [(bad.length, bad.line) for bad in file.bad] == [(3000, 3), (999, 5)]
            assert file.rules == {"line-length": 1, "json": 1}


def test_a_line_at_the_limit_is_valid(tmp_path):
    """A line of exactly 16 MiB is accepted, one byte more is not."""
    room = MAX_LINE_BYTES - len(OUTCOME) - len(b',"context":{"a":""}')
    line = OUTCOME.replace(b"}", b',"context":{"a":"' + b"x" * room + b'"}}')
    assert len(line) == MAX_LINE_BYTES
    path = tmp_path / "log.jsonl"
    path.write_bytes(line + b"\n" + line + b" \n")
    file = validation.validate([path], "outcome.v1", workers=1)[0]
    assert [(bad.length, bad.line) for bad in file.bad] == [(MAX_LINE_BYTES + 1, 2)]


def test_workers_give_what_one_process_gives(tmp_path, monkeypatch):
    """Ranges that other processes check add up to the same account, in the order of the file."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"".join(OUTCOME + b"\n" if n % 7 else b'{"bad": %d}\n' % n for n in range(20_000)))
    alone = validation.validate([path], "outcome.v1", workers=1, max_faults=40, hashes=True)[0]
    monkeypatch.setattr(validation, "ALONE_BYTES", 0)
    monkeypatch.setattr(validation, "RANGE_BYTES", 300_000)
    seen = []
    shared = validation.validate(
        [path], "outcome.v1", workers=2, max_faults=40, hashes=True, on_progress=lambda *step: seen.append(step)
    )[0]
    assert shared == alone
    assert shared.invalid == 2858
    assert seen[-1] == (path.stat().st_size, path.stat().st_size)


def test_max_faults_bounds_what_is_kept_not_what_is_counted(tmp_path):
    """Faults are kept up to the bound that is asked for, also a large one; all are counted."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"request_id":1}\n' * 3000)
    few, many = (validation.validate([path], "outcome.v1", max_faults=bound)[0] for bound in (3, 14_000))
    assert len(few.faults) == 3
    assert len(many.faults) == 14_000
    assert few.rules == many.rules == {"required": 12_000, "type": 3_000}
    assert few.invalid == 3000


def test_the_hash_is_that_of_the_file(tmp_path):
    """SHA-256 and size are those of the content."""
    import hashlib

    path = tmp_path / "log.jsonl"
    path.write_bytes(OUTCOME + b"\n")
    file = validation.validate([path], "outcome.v1", hashes=True)[0]
    assert file.sha256 == hashlib.sha256(OUTCOME + b"\n").hexdigest()
    assert file.bytes == len(OUTCOME) + 1


@schemas_named
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_auto_recognises_each_schema(schema, data, tmp_path_factory):
    """The schema is seen from the record, also where the first line is bad."""
    path = tmp_path_factory.mktemp("auto") / "log.jsonl"
    record = data.draw(strategies.RECORDS[schema].filter(lambda value: value.get("items", True)))
    path.write_bytes(b"not json\n" + json.dumps(record).encode())
    file = validation.validate([path], "auto")[0]
    assert (file.schema, file.rows, file.invalid) == (schema, 2, 1)


def test_auto_of_an_empty_file_and_of_no_record(tmp_path):
    """An empty file is of any schema; a file of something else is refused in one message."""
    empty, other = tmp_path / "empty.jsonl", tmp_path / "other.jsonl"
    empty.touch()
    other.write_text("a,b\n1,2\n")
    assert validation.validate([empty], "auto")[0].rows == 0
    with pytest.raises(InputError, match="looks like a record that is known"):
        validation.validate([other], "auto")


def test_a_schema_of_the_users_own(tmp_path):
    """The path of a JSON Schema works too, also for duplicate keys."""
    own, log = tmp_path / "own.json", tmp_path / "log.jsonl"
    own.write_text('{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}')
    log.write_text('{"a":1}\n{"a":"1"}\n{}\n{"a":1,"a":2}\n')
    file = validation.validate([log], str(own))[0]
    assert [(fault.line, fault.rule) for fault in file.faults] == [(2, "type"), (3, "required"), (4, "duplicate-key")]


@pytest.mark.parametrize("text", ["{", "[]", '{"type": 7}', '{"$ref":"http://localhost:1/x.json"}', "\xff"])
def test_a_schema_that_is_none(tmp_path, text):
    """A file that is no usable JSON Schema is one InputError, and nothing is fetched for it."""
    own, log = tmp_path / "own.json", tmp_path / "log.jsonl"
    own.write_text(text, encoding="latin-1")
    log.write_text("{}\n")
    with pytest.raises(InputError, match="not a JSON Schema"):
        validation.validate([log], str(own))


def test_a_misspelt_schema_names_the_nearest(tmp_path):
    """An unknown name of a schema is answered with the nearest known one."""
    path = tmp_path / "log.jsonl"
    path.touch()
    with pytest.raises(InputError, match=r"Did you mean 'exposure\.v1'"):
        validation.validate([path], "exposures.v1")


def test_memory_does_not_grow_with_the_file(tmp_path):
    """A file of 20 MB is checked within a few MB of memory."""
    import tracemalloc

    path = tmp_path / "log.jsonl"
    with path.open("wb") as out:
        for _ in range(20):
            out.write((OUTCOME + b"\n") * 10_000)
    tracemalloc.start()
    tracemalloc.reset_peak()
    validation.validate([path], "outcome.v1", workers=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20

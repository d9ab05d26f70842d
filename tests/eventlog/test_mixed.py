"""Exposure logs in either format, or in both: what reaches the engine is what converting line by line would give."""

import gzip
import hashlib
import json

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import strategies
from recsys.contracts.events import ServiceExposure
from recsys.errors import InputError
from recsys.eventlog import mixed, ranges, validation
from recsys.eventlog.accept import accept
from recsys.eventlog.convert import to_exposure_v1
from recsys.eventlog.faults import findings

PLAIN = b'{"request_id":"r","user_id":"u","ts":"2026-02-05T10:00:00Z","items":[{"item_id":"a","rank":1}]}'
AUDIT = (
    b'{"schema_version":"v1","timestamp":"2026-02-05T10:00:00Z","request_id":"r","tenant_id":"t","surface":"s",'
    b'"items":[{"item_id":"a","rank":1,"score":0.25}],"latency_ms":3}'
)
CONVERTED = (
    b'{"request_id":"r","user_id":"r","ts":"2026-02-05T10:00:00Z","items":[{"item_id":"a","rank":1}],'
    b'"context":{"tenant_id":"t","surface":"s","anonymous":"true"},"latency_ms":3.0}'
)
DECODE = msgspec.json.Decoder(ServiceExposure).decode


def one_by_one(lines):
    """(what is handed on, the lines it stood in, the bad lines): each line on its own, in plain Python."""
    valid, places, bad = [], [], []
    for number, line in enumerate(lines, start=1):
        if not findings(line, "exposure.v1"):
            valid.append(line)
        elif not findings(line, "service_v1"):
            valid.append(msgspec.json.encode(to_exposure_v1(DECODE(line))))
        else:
            bad.append(number)
            continue
        places.append(number)
    return valid, places, bad


def read(paths):
    return [line for path in paths for line in path.read_bytes().split(b"\n")[:-1]]


def origins(found):
    """The line of the log that each line handed on stands in, and the log."""
    return [
        (origin.file, origin.line(number))
        for path, origin in zip(found.paths, found.origins, strict=True)
        for number, _ in enumerate(read([path]), start=1)
    ]


def accepted(specs, scratch, **options):
    scratch.mkdir()
    return accept([str(spec) for spec in specs], "exposure.v1", scratch=scratch, role="exposures", **options)


some = st.one_of(
    st.sampled_from(
        [PLAIN, AUDIT, AUDIT, b"", b"{", PLAIN.replace(b"items", b"itms"), AUDIT.replace(b"items", b"itms")]
    ),
    strategies.any_lines("exposure.v1"),
    strategies.any_lines("service_v1"),
)


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(some, max_size=14),
    block_bytes=st.sampled_from([3, 400, 1 << 18]),
    range_bytes=st.sampled_from([11, 900, 1 << 20]),
)
@example(lines=[PLAIN, AUDIT], block_bytes=1 << 18, range_bytes=1 << 20)
@example(lines=[PLAIN, b"bad", AUDIT, b"bad", PLAIN, b"bad"], block_bytes=3, range_bytes=11)
def test_each_line_is_taken_as_what_it_is(lines, block_bytes, range_bytes, tmp_path_factory):
    """Lines of one format stay as they are, lines of the other are converted, the rest is counted, wherever the log
    is cut; each line handed on can be told by its place in the log."""
    folder = tmp_path_factory.mktemp("mixed")
    log = folder / "log.jsonl"
    log.write_bytes(b"".join(line + b"\n" for line in lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "BLOCK_BYTES", block_bytes)
        patch.setattr(validation, "RANGE_BYTES", range_bytes)
        found = accepted([log], folder / "scratch", max_faults=10_000)
    valid, places, bad = one_by_one(lines)
    assert read(found.paths) == valid
    assert origins(found) == [(str(log), place) for place in places]
    assert (found.rows, found.invalid) == (len(lines), len(bad))
    assert found.sizes == [path.stat().st_size for path in found.paths]
    [one] = found.inputs
    content = log.read_bytes()
    assert (one.path, one.rows, one.invalid) == (str(log), len(lines), len(bad))
    assert (one.bytes, one.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert list(dict.fromkeys(fault.line for fault in found.faults)) == bad
    for fault in found.faults:
        line = lines[fault.line - 1]
        assert content[fault.byte_offset :].startswith(line)
        told = findings(line, "service_v1") + findings(line, "exposure.v1")
        assert (fault.path, fault.rule, fault.found) in [(each.path, each.rule, each.found) for each in told]


BAD = [
    (PLAIN.replace(b'"user_id":"u",', b""), "$.user_id", "required"),
    (PLAIN.replace(b'"rank":1', b'"rank":1,"score":1'), "$.items[0].score", "unknown-field"),
    (AUDIT.replace(b'"surface":"s",', b""), "$.surface", "required"),
    (AUDIT.replace(b'"tenant_id":"t",', b""), "$.tenant_id", "required"),
    (AUDIT.replace(b'"schema_version":"v1",', b""), "$.schema_version", "required"),
    (AUDIT.replace(b'"latency_ms"', b'"latency"'), "$.latency", "unknown-field"),
    (AUDIT.replace(b'"t"', b'"\\ud800"'), "$.tenant_id", "surrogate"),
    (AUDIT.replace(b'"tenant_id"', b'"tenant_id":"x","tenant_id"'), "$.tenant_id", "duplicate-key"),
    (AUDIT[:-20], "$", "json"),
    (PLAIN.replace(b"}]}", b'}],"schema_version":"v1"}'), "$.timestamp", "required"),
]


@pytest.mark.parametrize(("line", "path", "rule"), BAD)
def test_a_bad_line_is_told_by_the_format_it_looks_like(tmp_path, line, path, rule):
    """One thing wrong is one fault, and not all that tells one format from the other; file and line are the log's."""
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"\n".join([PLAIN, AUDIT, line, AUDIT]) + b"\n")
    found = accepted([log], tmp_path / "scratch", max_faults=99)
    assert {(fault.file, fault.line) for fault in found.faults} == {(str(log), 3)}
    assert (path, rule) in [(fault.path, fault.rule) for fault in found.faults]
    if rule != "required" or b'"schema_version"' not in line or b'"ts"' not in line:
        assert len(found.faults) == 1
    assert read(found.paths) == [PLAIN, CONVERTED, CONVERTED]


def test_keys_may_be_spelt_in_any_way(tmp_path):
    """A format is known by its keys and not by their bytes: escapes in a key, and its name in the context, mislead
    nobody."""
    escaped = AUDIT.replace(b"schema_version", b"schema\\u005fversion")
    named = PLAIN.replace(b"}]}", b'}],"context":{"schema_version":"v1"}}')
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"\n".join([named, escaped, PLAIN, AUDIT]) + b"\n")
    found = accepted([log], tmp_path / "scratch")
    assert found.invalid == 0
    assert read(found.paths) == [named, CONVERTED, PLAIN, CONVERTED]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_log_that_changes_its_format(tmp_path, monkeypatch, workers):
    """Before, after and again: many blocks and ranges, over one process or several; in memory nothing is gathered."""
    monkeypatch.setattr(validation, "ALONE_BYTES", 0)
    monkeypatch.setattr(validation, "RANGE_BYTES", 150_000)
    monkeypatch.setattr(validation.os, "cpu_count", lambda: workers)
    lines = [PLAIN.replace(b'"r"', b'"r%d"' % n) for n in range(9_000)]
    for start, end in ((2_000, 5_000), (8_990, 9_000)):
        lines[start:end] = [AUDIT.replace(b'"r"', b'"r%d"' % n) for n in range(start, end)]
    lines[1_000] = lines[3_000] = lines[6_000] = b"bad"
    log = tmp_path / "log.jsonl.gz"
    log.write_bytes(gzip.compress(b"\n".join(lines), 1))  # the last line without a newline
    found = accepted([log], tmp_path / "scratch", max_faults=99)
    valid, places, bad = one_by_one(lines)
    assert b"".join(path.read_bytes() for path in found.paths).split(b"\n")[:-1] == valid
    assert [fault.line for fault in found.faults] == bad == [1_001, 3_001, 6_001]
    assert origins(found) == [(str(log), place) for place in places]
    assert len(found.paths) > 4


def test_a_folder_of_both_formats(tmp_path):
    """Each file is what it is: those of exposure.v1 are handed on themselves, of the others a converted copy is."""
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "1.jsonl").write_bytes(PLAIN + b"\n")
    (logs / "2.jsonl").write_bytes(AUDIT + b"\n" + AUDIT + b"\n")
    (logs / "3.jsonl").write_bytes(PLAIN + b"\n")
    found = accepted([logs], tmp_path / "scratch")
    assert (found.paths[0], found.paths[2]) == (logs / "1.jsonl", logs / "3.jsonl")
    assert read(found.paths) == [PLAIN, CONVERTED, CONVERTED, PLAIN]
    assert [(part.rows, part.invalid) for part in found.inputs] == [(1, 0), (2, 0), (1, 0)]
    assert found.logs == [logs / f"{number}.jsonl" for number in (1, 2, 3)]


def test_a_bad_line_too_long_to_hold(tmp_path):
    """It is counted and left out, whatever stands around it."""
    log = tmp_path / "log.jsonl"
    long = b"x" * (17 << 20)
    log.write_bytes(b"\n".join([PLAIN, long, AUDIT, long, PLAIN, long]) + b"\n")
    found = accepted([log], tmp_path / "scratch")
    assert (found.rows, found.invalid) == (6, 3)
    assert read(found.paths) == [PLAIN, CONVERTED, PLAIN]
    assert [line for _, line in origins(found)] == [1, 3, 5]
    assert [fault.line for fault in found.faults] == [2, 4, 6]


def test_only_exposures_have_two_formats(tmp_path):
    """An audit log among outcomes is refused by name, and outcomes among exposures are too."""
    log = tmp_path / "log.jsonl"
    log.write_bytes(AUDIT + b"\n")
    with pytest.raises(InputError, match=r"found service_v1 records; expected outcome\.v1"):
        accept([str(log)], "outcome.v1", scratch=tmp_path, role="outcomes")
    log.write_bytes(
        b'{"request_id":"r","user_id":"u","item_id":"a","event_type":"click","ts":"2026-02-05T10:00:00Z"}\n'
    )
    with pytest.raises(InputError, match=r"found outcome\.v1 records; expected exposure\.v1"):
        accepted([log], tmp_path / "scratch")


def test_an_audit_log_of_bad_lines_is_a_log_of_bad_lines(tmp_path):
    """It is of the right kind, so its faults are told, each by what service_v1 asks for."""
    log = tmp_path / "log.jsonl"
    log.write_bytes(AUDIT.replace(b'"r"', b"7") + b"\n")
    found = accepted([log], tmp_path / "scratch")
    assert (found.rows, found.invalid, read(found.paths)) == (1, 1, [])
    assert [(fault.path, fault.rule) for fault in found.faults] == [("$.request_id", "type")]


def test_what_a_line_looks_like():
    """By its keys where it can be read, by its bytes where it cannot; never an error."""
    for line in (AUDIT, AUDIT[:-5], b'{"timestamp":1}', b'{"schema_version":[' + b"[" * 99_999):
        assert mixed.looks_like(line) == "service_v1"
    for line in (PLAIN, PLAIN[:-5], b"", b"\xff", b"[]", b'{"ts":1,"timestamp":1}', b"x" * (17 << 20), b"[" * 99_999):
        assert mixed.looks_like(line) == "exposure.v1"


@settings(max_examples=80, deadline=None)
@given(lines=st.lists(strategies.lines("service_v1"), min_size=1, max_size=4))
def test_a_block_is_converted_as_its_lines_are(lines, tmp_path_factory):
    """Byte for byte, in every spelling of instants, numbers and text that a valid line may have."""
    target = tmp_path_factory.mktemp("block") / "made"
    with mixed.MixedChecker(target) as check:
        assert check(b"\n".join(lines)) == []
    assert target.read_bytes().split(b"\n")[:-1] == [
        msgspec.json.encode(to_exposure_v1(DECODE(line))) for line in lines
    ]
    assert json.loads(target.read_bytes().split(b"\n")[0])["request_id"] == json.loads(lines[0])["request_id"]

"""What reaches an engine: exactly the valid lines; and what is set aside: exactly the others, byte for byte."""

import gzip
import hashlib
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

import strategies
from recsys.errors import InputError, StorageError
from recsys.eventlog import quarantine
from recsys.eventlog.accept import accept, refuse_another_record
from recsys.eventlog.faults import findings
from recsys.eventlog.validation import validate

OUTCOME = b'{"request_id":"r","user_id":"u","item_id":"a","event_type":"click","ts":"2026-02-05T10:00:00Z"}'
SERVICE = (
    b'{"schema_version":"v1","timestamp":"2026-02-05T10:00:00Z","request_id":"r",'
    b'"tenant_id":"t","surface":"s","items":[]}'
)
BAD = [b"", b"\xff\xfe", b'{"request_id":"r"', b"\x00" * 20, b"null", OUTCOME + b"\x00", b"bad\r"]


def split(content: bytes) -> list[bytes]:
    return content.removesuffix(b"\n").split(b"\n") if content else []


@settings(max_examples=60, deadline=None)
@given(
    more=st.lists(st.one_of(st.just(OUTCOME), st.sampled_from(BAD), strategies.any_lines("outcome.v1")), max_size=9),
    first=st.sampled_from([OUTCOME, b"bad"]),
    ending=st.sampled_from([b"", b"\n"]),
)
def test_accepted_and_quarantined_lines_are_all_lines(more, first, ending, tmp_path_factory):
    """Valid lines go to the engine, bad lines to quarantine, each once, unchanged and in order."""
    folder = tmp_path_factory.mktemp("accept")
    log = folder / "log.jsonl"
    log.write_bytes(b"\n".join([first, *more]) + ending)
    every = split(log.read_bytes())
    valid = [line for line in every if not findings(line, "outcome.v1")]
    accepted = accept([str(log)], "outcome.v1", scratch=folder, role="outcomes")
    [path] = accepted.paths
    assert split(path.read_bytes()) == valid
    assert (accepted.rows, accepted.invalid) == (len(every), len(every) - len(valid))
    assert (path == log) == (accepted.invalid == 0)

    bad = [line for line in every if findings(line, "outcome.v1")]
    assert quarantine.write(validate([log], "outcome.v1"), folder / "bad") == len(bad)
    assert (folder / "bad").read_bytes() == b"".join(line + b"\n" for line in bad)


@pytest.mark.parametrize("pack", [lambda raw: raw, gzip.compress, zstandard.compress], ids=["plain", "gz", "zst"])
def test_every_way_of_packing(tmp_path, pack):
    """A compressed log is handed on as plain lines, with the hash of its content."""
    content = OUTCOME + b"\n" + b"bad\n" + OUTCOME
    name = "log.jsonl" + {b"\x1f": ".gz", b"(": ".zst"}.get(pack(content)[:1], "")
    log, scratch = tmp_path / name, tmp_path / "scratch"
    scratch.mkdir()
    log.write_bytes(pack(content))
    accepted = accept([str(log)], "outcome.v1", scratch=scratch, role="outcomes")
    assert split(accepted.paths[0].read_bytes()) == [OUTCOME, OUTCOME]
    [one] = accepted.inputs
    assert (one.role, one.path, one.rows, one.invalid) == ("outcomes", str(log), 3, 1)
    assert one.sha256 == hashlib.sha256(content).hexdigest()
    assert [fault.line for fault in accepted.faults] == [2]


def test_several_files_keep_their_order(tmp_path):
    """Logs named one by one or by folder are accepted one by one, and added up."""
    for number in range(3):
        (tmp_path / f"{number}.jsonl").write_bytes(OUTCOME + b"\n" + b"bad\n" * number)
    (tmp_path / "scratch").mkdir()
    accepted = accept([str(tmp_path)], "outcome.v1", scratch=tmp_path / "scratch", role="outcomes")
    assert (accepted.rows, accepted.invalid) == (6, 3)
    assert [split(path.read_bytes()) for path in accepted.paths] == [[OUTCOME]] * 3
    assert [Path(one.path).name for one in accepted.inputs] == ["0.jsonl", "1.jsonl", "2.jsonl"]


def test_an_empty_log_is_accepted_and_empty(tmp_path):
    """Whether an empty log will do is for the command to say."""
    (tmp_path / "log.jsonl").touch()
    accepted = accept([str(tmp_path / "log.jsonl")], "outcome.v1", scratch=tmp_path, role="outcomes")
    assert (accepted.rows, accepted.invalid) == (0, 0)


def test_an_audit_log_under_the_strict_schema(tmp_path):
    """`validate --schema exposure.v1` is about that format: service_v1 is told, with what to do."""
    log = tmp_path / "log.jsonl"
    log.write_bytes(SERVICE + b"\n")
    [file] = validate([log], "exposure.v1")
    assert file.invalid == 1
    with pytest.raises(InputError, match=f"As --exposures it is read as it is.* convert --input {log}"):
        refuse_another_record(file, "exposure.v1")


def test_the_wrong_log_is_named(tmp_path):
    """Outcomes in place of exposures are refused by name, not counted as bad lines."""
    log = tmp_path / "log.jsonl"
    log.write_bytes(OUTCOME + b"\n")
    with pytest.raises(InputError, match=r"found outcome\.v1 records; expected exposure\.v1"):
        accept([str(log)], "exposure.v1", scratch=tmp_path, role="exposures")


def test_quarantine_never_overwrites_the_log(tmp_path):
    """The log itself as the place for its bad lines is refused, and nothing is lost."""
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"bad\n")
    packed = tmp_path / "log.jsonl.gz"
    packed.write_bytes(gzip.compress(b"bad\n"))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for path in (log, packed):
        before = path.read_bytes()
        with pytest.raises(StorageError, match="would overwrite"):
            quarantine.write(validate([path], "outcome.v1", scratch=scratch), path)
        assert path.read_bytes() == before


def test_quarantine_where_nothing_can_be_written(tmp_path):
    """A place that does not exist is one StorageError."""
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"bad\n")
    with pytest.raises(StorageError, match="cannot be set aside"):
        quarantine.write(validate([log], "outcome.v1"), tmp_path / "no" / "bad.jsonl")


def test_a_long_bad_line_is_set_aside_whole(tmp_path):
    """A line too long to hold is copied in pieces."""
    log = tmp_path / "log.jsonl"
    long = bytes(range(32, 120)) * 200_000
    log.write_bytes(OUTCOME + b"\n" + long + b"\n" + OUTCOME + b"\n")
    quarantine.write(validate([log], "outcome.v1"), tmp_path / "bad")
    assert (tmp_path / "bad").read_bytes() == long + b"\n"
    accepted = accept([str(log)], "outcome.v1", scratch=tmp_path, role="outcomes")
    assert accepted.paths[0].read_bytes() == (OUTCOME + b"\n") * 2

"""Rewriting logs: converted lines are an evaluation log's, pseudonyms are the service's, nothing is hashed twice."""

import gzip
import json
import os
from datetime import UTC, datetime

import msgspec
import pytest

from recsys.errors import InputError, StorageError
from recsys.evaluation import rewrite
from recsys.eventlog.pseudonym import pseudonym
from recsys.service.logs import Listed, Served, Subject, Versions, exposure_line

SALT = b"0f9c2b7e5d1a4863b0c7e2f94d6a8b13"
OUTCOME = {
    "request_id": "r",
    "user_id": "alice@example.com",
    "item_id": "a",
    "event_type": "click",
    "ts": "2026-02-05T10:00:00.5+01:00",
    "value": 2.5,
    "event_id": "e",
    "context": {"surface": "home"},
}
ASSIGNMENT = {"experiment_id": "x", "variant": "A", "request_id": "r", "user_id": " bob ", "ts": "2026-02-05T10:00:00Z"}


def served(number: int) -> tuple[Served, Listed]:
    items = [(f"i{rank}", 1 / (rank + 1)) for rank in range(number % 4)]
    request = Served(
        request_id=f"r{number}",
        ts=datetime(2026, 2, 5, 10, number % 60, tzinfo=UTC),
        tenant_id="demo",
        surface="home",
        segment="default",
        subject=Subject(user=pseudonym(SALT, f"u{number}") if number % 2 else None),
        versions=Versions(algo="a1", config="c1", rules="r1", release="rel") if number % 5 else None,
        experiment=("exp", "A") if number % 3 else None,
    )
    return request, Listed(items, latency_ms=number / 3, error=number % 10 == 0)


def jsonl(*records) -> bytes:
    return b"".join(msgspec.json.encode(record) + b"\n" for record in records)


def test_convert_gives_the_evaluation_log(tmp_path):
    """The audit log of many requests becomes, byte for byte, the log that eval_v1 would have written."""
    audit, made = tmp_path / "audit.jsonl.gz", tmp_path / "made.jsonl"
    answers = [served(number) for number in range(60)]
    audit.write_bytes(gzip.compress(b"".join(exposure_line(*one, "service_v1") + b"\n" for one in answers)))
    done = rewrite.convert(str(audit), str(made), "service_v1")
    assert made.read_bytes() == b"".join(exposure_line(*one, "eval_v1") + b"\n" for one in answers)
    assert (done.written, done.invalid, done.faults) == (60, 0, [])
    assert not list(tmp_path.glob("*.part"))


def test_convert_leaves_bad_lines_out_and_says_so(tmp_path):
    """Valid lines are converted, the others are told with file and line."""
    audit, made = tmp_path / "audit.jsonl", tmp_path / "made.jsonl"
    good = exposure_line(*served(1), "service_v1")
    audit.write_bytes(good + b"\nbad\n\n" + good)
    done = rewrite.convert(str(audit), str(made), "service_v1")
    assert (done.written, done.invalid) == (2, 2)
    assert [fault.partition(": ")[0] for fault in done.faults] == [f"{audit}:2", f"{audit}:3"]
    assert made.read_bytes() == (exposure_line(*served(1), "eval_v1") + b"\n") * 2


def test_hash_replaces_the_user_and_nothing_else(tmp_path):
    """Outcomes and assignments keep every other field; the instant stays the same."""
    for number, record in enumerate((OUTCOME, ASSIGNMENT)):
        raw, made = tmp_path / f"raw{number}.jsonl", tmp_path / f"made{number}.jsonl"
        raw.write_bytes(jsonl(record, record))
        assert rewrite.pseudonymise(str(raw), str(made), SALT).written == 2
        first, second = [json.loads(line) for line in made.read_bytes().splitlines()]
        assert first == second
        moments = [msgspec.convert(ts.upper(), datetime) for ts in (first.pop("ts"), record["ts"])]
        assert moments[0] == moments[1]
        assert first == {
            **{key: value for key, value in record.items() if key != "ts"},
            "user_id": pseudonym(SALT, record["user_id"]),
        }
        assert record["user_id"].strip().encode() not in made.read_bytes()


def test_both_logs_carry_one_user_after_hash(tmp_path):
    """The pseudonym of a hashed outcome is the one in the service's exposure."""
    raw, made = tmp_path / "raw.jsonl", tmp_path / "made.jsonl"
    raw.write_bytes(jsonl({**OUTCOME, "user_id": "u1"}))
    rewrite.pseudonymise(str(raw), str(made), SALT)
    exposure = json.loads(exposure_line(*served(1), "eval_v1"))
    assert json.loads(made.read_bytes())["user_id"] == exposure["user_id"]


def test_hash_refuses_what_is_hashed(tmp_path):
    """A log of pseudonyms is not hashed again: it would join nothing."""
    raw, made, again = (tmp_path / name for name in ("raw.jsonl", "made.jsonl", "again.jsonl"))
    raw.write_bytes(jsonl(OUTCOME))
    rewrite.pseudonymise(str(raw), str(made), SALT)
    with pytest.raises(InputError, match="pseudonyms already"):
        rewrite.pseudonymise(str(made), str(again), SALT)
    assert not again.exists()


def test_hash_takes_only_logs_with_raw_ids(tmp_path):
    """An exposure log is refused by name, before anything is written."""
    raw, made = tmp_path / "raw.jsonl", tmp_path / "made.jsonl"
    raw.write_bytes(exposure_line(*served(1), "eval_v1") + b"\n")
    with pytest.raises(InputError, match=r"found exposure\.v1; expected outcome\.v1 or assignment\.v1"):
        rewrite.pseudonymise(str(raw), str(made), SALT)
    assert not made.exists()


def test_convert_takes_only_the_audit_log(tmp_path):
    """A log that is exposure.v1 already is refused by name, not line by line."""
    log = tmp_path / "log.jsonl"
    log.write_bytes(exposure_line(*served(1), "eval_v1") + b"\n")
    with pytest.raises(InputError, match=r"found exposure\.v1 records; expected service_v1"):
        rewrite.convert(str(log), str(tmp_path / "made.jsonl"), "service_v1")


def test_an_empty_log_gives_an_empty_one(tmp_path):
    """Nothing in, nothing out, and the account says so."""
    raw = tmp_path / "raw.jsonl"
    raw.touch()
    for done in (
        rewrite.pseudonymise(str(raw), str(tmp_path / "a"), SALT),
        rewrite.convert(str(raw), str(tmp_path / "b"), "service_v1"),
    ):
        assert (done.written, done.invalid) == (0, 0)


def test_a_log_is_not_rewritten_in_place(tmp_path):
    """What is left out, or cannot be taken back, would be lost: the output may be none of the files that are read."""
    folder, link = tmp_path / "logs", tmp_path / "link.jsonl"
    folder.mkdir()
    log = folder / "log.jsonl"
    log.write_bytes(jsonl(OUTCOME) + b"bad\n")
    before = log.read_bytes()
    link.symlink_to(log)
    for spec, output in ((log, log), (log, link), (folder, log), (f"{folder}/*", log)):
        for rewriting in (
            lambda spec=spec, output=output: rewrite.pseudonymise(str(spec), str(output), SALT),
            lambda spec=spec, output=output: rewrite.convert(str(spec), str(output), "service_v1"),
        ):
            with pytest.raises(StorageError, match=r"it would overwrite what is read"):
                rewriting()
    assert log.read_bytes() == before


def test_a_log_that_grows_meanwhile_is_rewritten_as_it_was_checked(tmp_path, monkeypatch):
    """Lines that come after the check are left to the next time, for nobody has checked them."""
    log, made = tmp_path / "raw.jsonl", tmp_path / "made.jsonl"
    log.write_bytes(jsonl(OUTCOME))
    checked = rewrite._checked

    def checked_and_grown(*words):
        found = checked(*words)
        with log.open("ab") as growing:
            growing.write(b"bad\n")
        return found

    monkeypatch.setattr(rewrite, "_checked", checked_and_grown)
    done = rewrite.pseudonymise(str(log), str(made), SALT)
    assert (done.written, done.invalid, made.read_bytes().count(b"\n")) == (1, 0, 1)


def test_a_device_or_a_link_is_not_replaced(tmp_path):
    """/dev/null stays a device, and a link stays a link to the file that is written."""
    raw, link = tmp_path / "raw.jsonl", tmp_path / "link.jsonl"
    raw.write_bytes(jsonl(OUTCOME))
    null = tmp_path / "null"
    os.mkfifo(null)
    reader = os.open(null, os.O_RDONLY | os.O_NONBLOCK)
    rewrite.pseudonymise(str(raw), str(null), SALT)
    assert b"click" in os.read(reader, 10_000)
    os.close(reader)
    assert null.is_fifo()
    (tmp_path / "target").touch()
    link.symlink_to(tmp_path / "target")
    rewrite.pseudonymise(str(raw), str(link), SALT)
    assert link.is_symlink()
    assert b"click" in (tmp_path / "target").read_bytes()


def test_an_output_that_cannot_be_written(tmp_path):
    """A folder that is not there is one StorageError, and no part is left."""
    raw = tmp_path / "raw.jsonl"
    raw.write_bytes(jsonl(OUTCOME))
    with pytest.raises(StorageError, match="cannot be written"):
        rewrite.pseudonymise(str(raw), str(tmp_path / "no" / "made.jsonl"), SALT)
    assert [path.name for path in tmp_path.iterdir()] == ["raw.jsonl"]


def test_hash_leaves_an_id_that_names_nobody(tmp_path):
    """A user_id that only repeats the request_id stays: the exposure of such a request carries it as it is."""
    path, target = tmp_path / "o.jsonl", tmp_path / "h.jsonl"
    path.write_text(
        '{"request_id":"r1","user_id":"r1","item_id":"a","event_type":"click","ts":"2026-02-05T10:00:00Z"}\n'
    )
    rewrite.pseudonymise(str(path), str(target), b"salt")
    assert '"user_id":"r1"' in target.read_text()

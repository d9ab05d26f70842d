"""The run as a whole: what it refuses before it begins, and logs that change while it reads."""

import errno
import fcntl
import json
import os
import random
import shutil
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from compact_worlds import decoded, exposure, outcome, parts, records, records_of, run, tree, unwatched, write
from recsys.attribution.compact import rows
from recsys.attribution.compact.compact import Settings, compact
from recsys.attribution.compact.rows import LEAST_ROW_GROUP_ROWS, ROW_GROUP_ROWS, row_group_rows
from recsys.errors import InputError, StorageError, UsageError
from recsys.eventlog.convert import to_exposure_v1

ROWS = [outcome(number) for number in range(12)]


def test_two_runs_at_once(tmp_path):
    """The second is refused, and changes nothing; once the first has ended, it may."""
    log = write(tmp_path / "o.jsonl", ROWS)
    (tmp_path / "out").mkdir()
    held = os.open(tmp_path / "out", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(StorageError, match="another run is compacting into it"):
        run(tmp_path / "out", outcomes=[log])
    assert tree(tmp_path / "out") == {}
    os.close(held)
    assert run(tmp_path / "out", outcomes=[log])[0].rows == 12


def test_folders_that_are_no_compacted_ones(tmp_path):
    """A folder of other things, one whose manifest is gone or spoilt, and a file: refused, and left as they are."""
    log = write(tmp_path / "logs/o.jsonl", ROWS)
    run(tmp_path / "out", outcomes=[log])
    bare = Path(shutil.copytree(tmp_path / "out", tmp_path / "bare"))
    (bare / "_compacted.json").unlink()
    spoilt = Path(shutil.copytree(tmp_path / "out", tmp_path / "spoilt"))
    (spoilt / "_compacted.json").write_text('{"format": "compacted.v2"}')
    other = tmp_path / "other"
    write(other / "x.txt", [b"mine"])
    for folder, told in (
        (other, "not a compacted folder"), (bare, "not a compacted folder"),
        (spoilt, "not the manifest of a compacted folder"), (other / "x.txt", "the folder cannot be made"),
    ):  # fmt: skip
        before = tree(folder)
        with pytest.raises((StorageError, InputError), match=told):
            run(folder, outcomes=[write(tmp_path / "new.jsonl", [outcome(99)])])
        assert tree(folder) == before


def test_a_part_that_the_manifest_does_not_know(tmp_path):
    """An older manifest was put back: its folder is not gone on with, and no part is removed."""
    run(tmp_path / "out", outcomes=[write(tmp_path / "o.jsonl", ROWS[:4])])
    older = (tmp_path / "out/_compacted.json").read_bytes()
    run(tmp_path / "out", outcomes=[write(tmp_path / "p.jsonl", ROWS[4:])])
    (tmp_path / "out/_compacted.json").write_bytes(older)
    before = tree(tmp_path / "out")
    with pytest.raises(InputError, match="the manifest does not know this part"):
        run(tmp_path / "out", outcomes=[str(tmp_path / "p.jsonl")])
    assert tree(tmp_path / "out") == before


def test_what_is_no_log_to_compact(tmp_path):
    """Parquet, files of the folder itself, a file named twice, and a log of other records."""
    log = write(tmp_path / "o.jsonl", [*ROWS, b"bad"])
    [done] = run(tmp_path / "out", outcomes=[log])
    before = tree(tmp_path / "out")
    for spec, told, error in (
        (str(parts(tmp_path / "out", "outcomes")[0]), "only JSONL is compacted", UsageError),
        (str(tmp_path / "out" / done.invalid_files[0]), "a file of the compacted folder", UsageError),
        (str(tmp_path / "none.jsonl"), "no such file", InputError),
        (write(tmp_path / "e.jsonl", [exposure(1)]), r"e\.jsonl: not a log of this kind", InputError),
    ):
        with pytest.raises(error, match=told):
            run(tmp_path / "out", outcomes=[spec])
        assert tree(tmp_path / "out") == before
    with pytest.raises(InputError, match="given twice"):
        run(tmp_path / "out", outcomes=[log, str(tmp_path / "o*.jsonl")])


def test_other_records_in_a_packed_log_are_told_by_its_name(tmp_path):
    """The message names the log, not the copy of it that was looked at."""
    import gzip

    packed = tmp_path / "e.jsonl.gz"
    packed.write_bytes(gzip.compress(json.dumps(exposure(1)).encode() + b"\n"))
    with pytest.raises(InputError, match=r"e\.jsonl\.gz: not a log of this kind") as told:
        run(tmp_path / "out", outcomes=[str(packed)])
    assert "recsys-" not in str(told.value)


def test_service_logs_are_converted(tmp_path):
    """A line of service_v1 gives the row that it gives as exposure.v1, also among lines of that, and the scores of its
    items are kept."""
    service = {
        "schema_version": "v1", "timestamp": "2026-02-05T10:00:00Z", "request_id": "r", "tenant_id": "demo",
        "surface": "home", "subject": {"user_id_hash": "f" * 64},
        "items": [
            {"item_id": "a", "rank": 1, "score": 0.1, "propensity": 0.25}, {"item_id": "b", "rank": 2, "score": 0}
        ], "latency_ms": 1.5,
    }  # fmt: skip
    log = write(tmp_path / "e.jsonl", [exposure(1), service, b"bad", exposure(2)])
    [done] = run(tmp_path / "out", exposures=[log])
    assert (done.rows, done.invalid) == (3, 1)
    from msgspec import convert

    from recsys.contracts.events import ServiceExposure

    [path] = [path for path in parts(tmp_path / "out", "exposures") if "tenant_id=demo" in str(path)]
    assert records_of(path, "exposures") == [to_exposure_v1(convert(service, ServiceExposure, strict=False))]
    [items] = pq.ParquetFile(path).read(["items"]).to_pydict()["items"]
    assert [item["score"] for item in items] == [0.1, 0.0]


class Fails:
    """The functions of ``os``, of which the ``at``-th renaming fails, as on a disk that was taken away."""

    def __init__(self, at, error):
        self._at, self._error = at, error

    def __getattr__(self, name):
        return getattr(os, name)

    def rename(self, source, target):
        self._at -= 1
        if not self._at:
            raise self._error
        Path(source).rename(target)


@pytest.mark.parametrize("error", [OSError(errno.EIO, "no disk"), KeyboardInterrupt()])
def test_an_error_while_a_batch_is_put_in_place(tmp_path, error):
    """At whatever renaming it comes: the next run completes the batch, or makes it anew, with the same bytes."""
    logs = {"outcomes": [write(tmp_path / "o.jsonl", [*ROWS, b"bad"])]}
    run(tmp_path / "whole", **logs)
    for at in range(1, len(parts(tmp_path / "whole", "outcomes")) + 4):
        folder = tmp_path / f"failed-{at}"
        with pytest.raises(type(error)):
            run(folder, files=Fails(at, error), **logs)
        run(folder, **logs)
        assert tree(folder) == tree(tmp_path / "whole"), at


def growing(path, step, content, times=1):
    """A watch at whose ``step`` the log grows: when it begins, or while it is going on."""
    left = [times]

    @contextmanager
    def watch(name):
        def grow():
            if left[0]:
                left[0] -= 1
                with path.open("ab") as file:
                    file.write(content)

        if name == step:
            grow()

        def on_progress(done, total):
            if f"{name}, done" == step and done == total:
                grow()

        yield on_progress

    return watch


@pytest.mark.parametrize("step", ["checking outcomes", "checking outcomes, done", "writing outcomes"])
@pytest.mark.parametrize("content", [b'{"request_id":"r1","half', json.dumps(outcome(50)).encode() + b"\n"])
def test_a_log_that_grows_while_it_is_read(tmp_path, step, content):
    """What was there when it was surveyed is taken, and nothing more; the next run takes the rest."""
    log = Path(write(tmp_path / "o.jsonl", ROWS))
    [done] = compact({"outcomes": [str(log)]}, tmp_path / "out", watch=growing(log, step, content))
    assert log.stat().st_size > sum(len(json.dumps(row)) + 1 for row in ROWS)
    assert (done.rows, done.invalid) == (12, 0)
    run(tmp_path / "quiet", outcomes=[write(tmp_path / "quiet.jsonl", ROWS)])
    assert [path.read_bytes() for path in parts(tmp_path / "out", "outcomes")] == [
        path.read_bytes() for path in parts(tmp_path / "quiet", "outcomes")
    ]
    assert run(tmp_path / "out", outcomes=[str(log)])[0].rows == content.count(b"\n")


def test_a_log_that_is_changed_while_it_is_read(tmp_path):
    """Rewritten between the survey and the reading: an error, and nothing was taken."""
    log = Path(write(tmp_path / "o.jsonl", ROWS))

    @contextmanager
    def watch(name):
        if name == "checking outcomes":
            log.write_bytes(log.read_bytes().replace(b"click", b"clack"))
        yield lambda _done, _total: None

    with pytest.raises(InputError, match="a log was changed while it was read"):
        compact({"outcomes": [str(log)]}, tmp_path / "out", watch=watch)
    assert tree(tmp_path / "out") == {}


@pytest.mark.long
def test_logs_larger_than_the_memory(tmp_path):
    """With little memory the engine uses the temporary folder: the same bytes as with much."""
    row = json.dumps(exposure(1, request_id="r%06d", context={"tenant_id": "t", "surface": "s", "x": "%s"}))
    chance = random.Random(1)
    with (tmp_path / "e.jsonl").open("w") as log:
        for number in range(60_000):
            log.write(row % (number * 7919 % 60_000, f"{chance.getrandbits(4096):01024x}" * 2) + "\n")
    for limit in ("2GB", "200MB"):
        settings = Settings(memory_limit=limit)
        compact({"exposures": [str(tmp_path / "e.jsonl")]}, tmp_path / limit, watch=unwatched, settings=settings)
    assert tree(tmp_path / "2GB") == tree(tmp_path / "200MB")


def test_too_little_memory(tmp_path, monkeypatch):
    """It is an error that says what to do, and does no harm: the next run goes on. What is no size is refused."""
    logs = {"exposures": [write(tmp_path / "e.jsonl", [exposure(number) for number in range(100)])]}
    with monkeypatch.context() as patched:
        patched.setattr(rows, "LEAST_MEMORY", 0)
        with pytest.raises(StorageError, match=r"the rows cannot be held or written.*raise --memory-limit"):
            compact(logs, tmp_path / "out", watch=unwatched, settings=Settings(memory_limit="1MB"))
    assert tree(tmp_path / "out") == {}
    assert run(tmp_path / "out", **logs)[0].rows == 100
    for limit in ("lots", "1GB; DROP", "'", "-1GB", ""):
        with pytest.raises(UsageError, match="--memory-limit: not a size"):
            compact(logs, tmp_path / "out", watch=unwatched, settings=Settings(memory_limit=limit))
    for limit in ("0MB", "1kb", "99.9 MB", "95MiB"):
        with pytest.raises(UsageError, match=r"--memory-limit: too little memory .* at least 100MB"):
            compact(logs, tmp_path / "out", watch=unwatched, settings=Settings(memory_limit=limit))
    assert run(tmp_path / "out", **logs)[0].unchanged == 1


def test_row_groups_of_long_lines_are_small():
    """A group holds about 32 MB of JSON, within bounds."""
    assert row_group_rows(600 * 1000, 1000) == ROW_GROUP_ROWS == 20_480
    assert row_group_rows(8192 * 1000, 1000) == 4096
    assert row_group_rows(10**9, 10) == LEAST_ROW_GROUP_ROWS
    assert row_group_rows(0, 0) == ROW_GROUP_ROWS


def test_many_tenants(tmp_path):
    """As many folders as there are tenants, with names that could be paths, and all rows in them."""
    rows = [outcome(number, context={"tenant_id": f"../t/{number % 50}", "surface": "\x00"}) for number in range(200)]
    run(tmp_path / "out", outcomes=[write(tmp_path / "o.jsonl", rows)])
    assert len(list((tmp_path / "out/outcomes").iterdir())) == 50
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.jsonl", "out"]
    there = sorted(record.ts for record in records(tmp_path / "out", "outcomes"))
    assert there == sorted(decoded(json.dumps(row).encode(), "outcomes").ts for row in rows)

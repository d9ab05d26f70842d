"""recsys-eval on logs in an object store: the same figures as on the same logs here, under their URLs."""

import errno
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

import s3_server
from recsys.contracts.report import Report
from recsys.errors import StorageError
from recsys.eventlog.upkeep.passes import Upkeep
from recsys.eventlog.writing.writer import LogSettings, LogWriter

NOON = datetime(2026, 2, 5, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def s3():
    """A server with a bucket, for all tests of this file."""
    with s3_server.running() as variables:
        yield variables


@pytest.fixture(params=["file", "s3"])
def base(request, tmp_path, monkeypatch, s3) -> str:
    """The URL of an empty place in a store, that the program can reach too."""
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    return f"file://{tmp_path}/archive" if request.param == "file" else f"s3://logs/{tmp_path.name}"


class Full:
    """A disk that is full when it is told so."""

    full = False

    def __getattr__(self, name):
        return getattr(os, name)

    def write(self, fd, data):
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(fd, data)


def write_log(folder: Path, records, *, log="exposure", writer="w1", lost=0) -> None:
    """A closed segment of these records, in whose middle ``lost`` more could not be written."""
    disk = Full()
    made = LogWriter(LogSettings(path=f"{folder}/"), log=log, writer=writer, clock=lambda: NOON, files=disk)
    made.open()
    for number, record in enumerate(records):
        made.append(json.dumps(record).encode())
        disk.full = number == 1
        for _ in range(lost if number == 1 else 0):
            with pytest.raises(StorageError):
                made.append(b"{}")
        disk.full = False
    made.close()


def archive(folder: Path, url: str, *, compression="zstd") -> None:
    """Have the upkeep of the service move everything."""
    settings = LogSettings(path=f"{folder}/", compression=compression, archive_url=url)
    assert Upkeep({"exposure": settings, "outcome": settings}).pass_once() == []
    assert [path.name for path in folder.iterdir()] == [".upkeep.lock"]


@pytest.fixture
def written(tmp_path, exposure, outcome) -> Path:
    """A folder with two segments of 20 exposures each, in one of which 3 are known to be lost, and one of outcomes."""
    folder = tmp_path / "service"
    write_log(folder, map(exposure, range(20)), lost=3)
    write_log(folder, map(exposure, range(20, 40)), writer="w2")
    write_log(folder, map(outcome, range(0, 40, 4)), log="outcome")
    return folder


def run(recsys_eval, *options) -> tuple[Report, int]:
    done = recsys_eval("run", *options, "--output-format", "json")
    assert done.err == "" or done.status in {0, 2}, done.err
    return msgspec.json.decode(done.out, type=Report), done.status


def figures(report: Report):
    return [(part.metric, part.slice_key, part.slice_value, part.estimate) for part in report.results]


def test_the_same_report_from_the_archive(recsys_eval, written, base, tmp_path):
    """Prefixes in place of folders: equal figures and hashes, the same known loss; inputs and gaps by their URLs."""
    local = ["--exposures", written / "exposure-*.jsonl", "--outcomes", written / "outcome-*.jsonl"]
    here, status_here = run(recsys_eval, *local)
    archive(written, base)
    there, status_there = run(
        recsys_eval, "--exposures", f"{base}/exposure/", "--outcomes", f"{base}/outcome/2026-02-05"
    )
    assert (figures(there), status_there) == (figures(here), status_here)
    names = [f"exposure/2026-02-05/exposure-2026-02-05.w{n}-1.jsonl.zst" for n in (1, 2)]
    names.append("outcome/2026-02-05/outcome-2026-02-05.w1-1.jsonl.zst")
    assert [part.path for part in there.inputs] == [f"{base}/{name}" for name in names]
    for one, other in zip(here.inputs, there.inputs, strict=True):
        assert (one.sha256, one.rows, one.bytes) == (other.sha256, other.rows, other.bytes)
    [gap_here], [gap_there] = here.data_quality.gaps, there.data_quality.gaps
    assert (gap_there.lost, gap_there.first, gap_there.last) == (3, gap_here.first, gap_here.last)
    assert gap_there.file == f"{base}/{names[0]}"


def test_an_object_a_dataset_and_other_commands(recsys_eval, written, base, write, tmp_path):
    """One object by its URL, with the loss its index tells of; URLs in a dataset beside relative paths; `validate`; the
    catalogue."""
    archive(written, base, compression="none")
    first = f"{base}/exposure/2026-02-05/exposure-2026-02-05.w1-1.jsonl"
    done = recsys_eval("validate", "--schema", "exposure.v1", "--input", first)
    assert (done.status, done.out.splitlines()[0][: len(first)]) == (0, first), done
    write("items.jsonl", *[{"item_id": item, "tags": []} for item in "abc"])
    dataset = tmp_path / "logs.yaml"
    dataset.write_text(
        f"exposures: {first}\noutcomes: {{type: jsonl, path: ['{base}/outcome/']}}\nitems: items.jsonl\n"
    )
    report, _ = run(recsys_eval, "--dataset", dataset)
    assert report.inputs[0].path == first
    assert [gap.file for gap in report.data_quality.gaps] == [first]
    assert [part.rows for part in report.inputs] == [20, 10, 3]


def test_a_segment_that_is_there_plain_and_packed_counts_once(recsys_eval, written, tmp_path):
    """What an interrupted packing leaves counts once, in a folder, a pattern and an archive."""
    import zstandard

    folder = tmp_path / "archive" / "exposure" / "day"
    folder.mkdir(parents=True)
    content = (written / "exposure-2026-02-05.w2-1.jsonl").read_bytes()
    (folder / "exposure-2026-02-05.w2-1.jsonl").write_bytes(content)
    (folder / "exposure-2026-02-05.w2-1.jsonl.zst").write_bytes(zstandard.compress(content))
    for spec in (folder, f"{folder}/*", f"file://{tmp_path}/archive"):
        report, _ = run(recsys_eval, "--exposures", spec, "--outcomes", written / "outcome-*.jsonl")
        assert report.inputs[0].path.endswith(".w2-1.jsonl")
        assert [part.rows for part in report.inputs] == [20, 10], spec


def test_what_a_writer_has_not_ended_is_no_log(recsys_eval, written, tmp_path):
    """Below a prefix no object is read of which a part of the name begins with _ or a dot."""
    content = (written / "exposure-2026-02-05.w2-1.jsonl").read_bytes()
    for name in ("day/a.jsonl", "_tmp/a.jsonl", "day/.a.jsonl", "day/_a.jsonl"):
        path = tmp_path / "archive" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if name == "day/a.jsonl" else content[:-20])
    report, _ = run(
        recsys_eval, "--exposures", f"file://{tmp_path}/archive/", "--outcomes", written / "outcome-*.jsonl"
    )
    assert [part.path for part in report.inputs[:-1]] == [f"file://{tmp_path}/archive/day/a.jsonl"]


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("{base}/nothing/", "/nothing/: no log is there (found nothing; expected objects whose names end in .jsonl"),
        ("{base}/exposure/*", "a URL is no pattern. Give a prefix instead"),
        (
            "{base}/x.parquet",
            "/x.parquet: no log is there (found nothing; expected objects whose names end in .parquet",
        ),
        ("s3://nobody/x", "s3://nobody/x/: cannot be listed (found"),
        ("s3://me:hunter2@logs/x", "s3://logs/x: a user, a query or a fragment stands in the URL"),
        ("https://host/x", "https://host/x: not an object store (expected s3://bucket/prefix"),
    ],
)
@pytest.mark.parametrize("base", ["s3"], indirect=True)
def test_bad_urls(recsys_eval, written, base, spec, told):
    """Exit status 1, with what is wrong, where, and what to do; no secret is shown."""
    done = recsys_eval("join", "--exposures", spec.format(base=base), "--outcomes", written / "outcome-*.jsonl")
    assert (done.status, done.out) == (1, "")
    assert told in done.err.replace("\n", " "), done.err
    assert "hunter2" not in done.err
    assert s3_server.SECRET not in done.err


def test_an_object_is_given_once(recsys_eval, written, base):
    """The same object under two specs would count twice: refused."""
    archive(written, base)
    twice = ["--exposures", f"{base}/exposure/", "--exposures", f"{base}/exposure/2026-02-05/"]
    done = recsys_eval("join", *twice, "--outcomes", f"{base}/outcome/")
    assert done.status == 1
    assert "the same file is given twice" in done.err


def test_a_damaged_object_is_told_by_its_url(recsys_eval, written, tmp_path):
    """A packed object that is cut off is an input error that names its URL, not a temporary file."""
    folder = tmp_path / "archive"
    folder.mkdir()
    (folder / "a.jsonl.zst").write_bytes(b"\x28\xb5\x2f\xfd\x04")
    done = recsys_eval("validate", "--schema", "exposure.v1", "--input", f"file://{folder}/a.jsonl.zst")
    assert done.status == 1
    assert f"file://{folder}/a.jsonl.zst: cannot be decompressed" in done.err


def test_outputs_and_conversions(recsys_eval, written, base, tmp_path):
    """`hash` reads from the archive too."""
    archive(written, base)
    target = tmp_path / "hashed.jsonl"
    done = recsys_eval("hash", "--input", f"{base}/outcome/", "--output", target, salt="x" * 32)
    assert done.status == 0, done.err
    assert len(target.read_bytes().splitlines()) == 10

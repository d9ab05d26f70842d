"""Moving closed segments to an archive: verified before anything is removed, and never twice, whenever it ends."""

import os
import zlib
from datetime import timedelta
from pathlib import Path

import pytest
import zstandard

import s3_server
from closed_segments import NAME, NOON, Death, Killed, write_segment
from recsys.eventlog import reader
from recsys.eventlog.upkeep import pack
from recsys.eventlog.upkeep.ship import ship, ship_closed
from recsys.eventlog.writing import index
from recsys.objectstore import Store

DAY = "exposure/2026-02-05"


def objects(folder):
    """What an archive that is a folder holds: name below it, and content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def logs(tmp_path) -> Path:
    """A log folder."""
    return tmp_path / "logs"


@pytest.fixture
def archive(tmp_path) -> Path:
    """The folder of an archive, which is made with its first object."""
    return tmp_path / "archive"


@pytest.fixture
def store(archive) -> Store:
    """That archive."""
    return Store(f"file://{archive}")


def shipped(logs, store, **named):
    return list(ship_closed(logs, "exposure", store, **named))


def test_a_closed_segment_moves(logs, archive, store):
    """Segment, torn tail and index are in the archive, by log and day, byte by byte, and gone here; others stay."""
    content = write_segment(logs)
    later = write_segment(logs, writer="w2", at=NOON + timedelta(days=1))
    write_segment(logs, log="outcome")
    (logs / f"{NAME}.torn").write_bytes(b"half a rec\n")
    wanted = {f"{DAY}/{name}": (logs / name).read_bytes() for name in (NAME, f"{NAME}.index", f"{NAME}.torn")}
    assert shipped(logs, store) == []
    found = objects(archive)
    assert found.items() >= wanted.items()
    assert found[f"{DAY}/{NAME}"] == content
    assert found["exposure/2026-02-06/exposure-2026-02-06.w2-1.jsonl"] == later
    assert len(found) == 5
    outcome = "outcome-2026-02-05.w1-1.jsonl"
    assert names(logs) == [outcome, f"{outcome}.index"]
    assert shipped(logs, store) == []


def test_only_what_is_sealed_moves(logs, archive, store):
    """A segment that is written to stays until it is closed, and one without a seal until it is repaired."""
    _, writer = write_segment(logs, close=False)
    (logs / "exposure-2026-02-05.dead-1.jsonl").write_bytes(b"{}\n")
    assert shipped(logs, store) == []
    assert not archive.exists()
    assert ship(logs / NAME, "exposure", store) is False
    writer.close()
    assert ship(logs / NAME, "exposure", store) is True
    assert sorted(objects(archive)) == [f"{DAY}/{NAME}", f"{DAY}/{NAME}.index"]
    assert names(logs) == ["exposure-2026-02-05.dead-1.jsonl"]


def test_the_order_of_what_happens(logs, store):
    """All copies are made and read back before the first file is removed; the segment is first, and the index last."""
    write_segment(logs)
    (logs / f"{NAME}.torn").write_bytes(b"half\n")
    told = []

    class Told:
        def __init__(self, target):
            self._target = target

        def __getattr__(self, name):
            function = getattr(self._target, name)

            def call(*arguments, **named):
                if name in {"put", "read", "unlink", "fsync"}:
                    told.append((name, Path(str(arguments[0])).name.removeprefix(NAME)))
                return function(*arguments, **named)

            return call

    ship(logs / NAME, "exposure", Told(store), files=Told(os))
    *steps, (flush, _), last = told
    assert steps == [
        ("put", ""), ("read", ""), ("put", ".torn"), ("read", ".torn"), ("put", ".index"), ("read", ".index"),
        ("unlink", ""), ("unlink", ".torn"),
    ]  # fmt: skip
    assert (flush, last) == ("fsync", ("unlink", ".index"))


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_p7_shipping_killed_at_any_operation_loses_nothing(tmp_path, packed):
    """Ended at each operation on files and store: each file is here or whole in the archive, and the next pass ends as
    if nothing had been."""
    number = 0
    while True:
        number += 1
        logs, archive = tmp_path / str(number) / "logs", tmp_path / str(number) / "archive"
        content = write_segment(logs)
        (logs / f"{NAME}.torn").write_bytes(b"half\n")
        if packed:
            pack.pack(logs / NAME)
        wanted = {f"{DAY}/{path.name}": path.read_bytes() for path in logs.iterdir()}
        store = Store(f"file://{archive}")
        death = Death(at=number)
        try:
            shipped(logs, death.of(store), files=death.of(os))
        except Killed:
            pass
        else:
            break
        here = {f"{DAY}/{path.name}": path.read_bytes() for path in logs.iterdir()}
        there = objects(archive)
        assert {**here, **there} == wanted
        assert shipped(logs, store) == []
        assert names(logs) == []
        assert objects(archive) == wanted
        scratch = tmp_path / str(number) / "scratch"
        scratch.mkdir()
        [log] = reader.expand(f"file://{archive}")
        assert reader.localize(log, scratch).read_bytes() == content
    assert number > 15


@pytest.mark.parametrize("which", ["", ".index"])
def test_a_copy_that_is_not_the_same_is_never_accepted(logs, archive, store, which):
    """An object that changed on its way, or before it was read back, is told; every local file stays, and the object
    too, until somebody looks."""
    content = write_segment(logs)
    before = names(logs)

    class Tampering:
        def __getattr__(self, name):
            return getattr(store, name)

        def put(self, key, source):
            store.put(key, source)
            if key.endswith(f".jsonl{which}"):
                path = archive / key
                path.write_bytes(path.read_bytes()[:-1] + b"X")

    for used in (Tampering(), store):
        [message] = shipped(logs, used)
        assert f"{NAME}{which}: the archive holds something else under this name" in message
        assert names(logs) == before
        assert (logs / NAME).read_bytes() == content
        assert objects(archive)[f"{DAY}/{NAME}{which}"].endswith(b"X")
    (archive / DAY / f"{NAME}{which}").unlink()
    assert shipped(logs, store) == []
    assert names(logs) == []


def test_one_segment_is_not_in_the_way_of_others(logs, archive, store):
    """Where the archive holds something else for one segment, the others move."""
    write_segment(logs)
    write_segment(logs, writer="w2")
    (archive / DAY).mkdir(parents=True)
    (archive / DAY / NAME).write_bytes(b"of somebody else\n")
    [message] = shipped(logs, store)
    assert f"file://{archive}/{DAY}/{NAME}" in message
    assert names(logs) == [NAME, f"{NAME}.index"]
    assert (archive / DAY / NAME).read_bytes() == b"of somebody else\n"
    assert (archive / DAY / "exposure-2026-02-05.w2-1.jsonl").exists()


def test_a_store_that_does_not_answer(logs, archive, store):
    """Without the store everything stays, one message says so, and when it is back the same process goes on."""
    contents = [write_segment(logs), write_segment(logs, writer="w2")]
    before = names(logs)
    archive.write_bytes(b"a file in the way of the archive's folder")
    for _ in range(2):
        [message] = shipped(logs, store)
        assert "is not archived" in message
        assert names(logs) == before
    archive.unlink()
    assert shipped(logs, store) == []
    assert [objects(archive)[f"{DAY}/exposure-2026-02-05.w{n}-1.jsonl"] for n in (1, 2)] == contents


@pytest.mark.parametrize("first", ["plain", "packed"])
def test_a_segment_is_archived_once_though_it_was_packed_between(logs, archive, store, first):
    """A copy that was made before the segment was packed (or of one that is plain again) is taken for what it is."""
    content = write_segment(logs)
    saved = (logs / f"{NAME}.index").read_bytes()
    pack.pack(logs / NAME)
    packed = (logs / f"{NAME}.zst").read_bytes()
    (archive / DAY).mkdir(parents=True)
    if first == "plain":
        (archive / DAY / NAME).write_bytes(content)
    else:
        (archive / DAY / f"{NAME}.zst").write_bytes(packed)
        (logs / f"{NAME}.zst").rename(logs / NAME)
        (logs / NAME).write_bytes(content)
    assert shipped(logs, store) == []
    assert names(logs) == []
    name = NAME if first == "plain" else f"{NAME}.zst"
    assert objects(archive) == {
        f"{DAY}/{name}": content if first == "plain" else packed,
        f"{DAY}/{NAME}.index": saved,
    }


def test_another_content_under_the_other_name_is_told(logs, archive, store):
    """A packed segment whose archive holds other lines under the plain name, or cannot be unpacked, stays."""
    content = write_segment(logs)
    (archive / DAY).mkdir(parents=True)
    for other in (zstandard.compress(content[:-1]), zstandard.compress(content)[:-9], b"no zstd at all"):
        (archive / DAY / f"{NAME}.zst").write_bytes(other)
        [message] = shipped(logs, store)
        assert "holds something else" in message
        assert names(logs) == [NAME, f"{NAME}.index"]


def test_an_index_that_was_left_alone(logs, archive, store):
    """An index whose segment is gone moves when the archive holds that segment; else it stays as a witness."""
    content = write_segment(logs)
    (logs / NAME).unlink()
    assert shipped(logs, store) == []
    assert names(logs) == [f"{NAME}.index"]
    (archive / DAY).mkdir(parents=True)
    (archive / DAY / f"{NAME}.zst").write_bytes(zstandard.compress(content[:-1]))
    [message] = shipped(logs, store)
    assert "holds something else" in message
    (archive / DAY / f"{NAME}.zst").write_bytes(zstandard.compress(content))
    assert shipped(logs, store) == []
    assert names(logs) == []
    seal = index.read(archive / DAY / f"{NAME}.index").sealed
    assert seal.crc == zlib.crc32(content)


def test_a_segment_whose_packing_is_not_complete_waits(logs, archive, store):
    """While both the plain and the packed file stand, nothing is moved."""
    write_segment(logs)
    (logs / f"{NAME}.zst").write_bytes(b"")
    assert shipped(logs, store) == []
    assert not archive.exists()


def test_a_real_bucket(logs, tmp_path, monkeypatch):
    """The same with an S3 server: what another client finds there is what was here, and it is read back."""
    content = write_segment(logs)
    saved = (logs / f"{NAME}.index").read_bytes()
    pack.pack(logs / NAME)
    packed = (logs / f"{NAME}.zst").read_bytes()
    with s3_server.running("shipped") as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        client = s3_server.client(variables)
        client.put_object(Bucket="shipped", Key=f"p/{DAY}/{NAME}.zst", Body=b"other")
        [message] = shipped(logs, Store("s3://shipped/p"))
        assert f"s3://shipped/p/{DAY}/{NAME}.zst: the archive holds something else" in message
        client.delete_object(Bucket="shipped", Key=f"p/{DAY}/{NAME}.zst")
        assert shipped(logs, Store("s3://shipped/p")) == []
        assert names(logs) == []
        found = {each["Key"]: client.get_object(Bucket="shipped", Key=each["Key"])["Body"].read()
                 for each in client.list_objects_v2(Bucket="shipped")["Contents"]}  # fmt: skip
        assert found == {f"p/{DAY}/{NAME}.zst": packed, f"p/{DAY}/{NAME}.index": saved}
        [log] = reader.expand("s3://shipped/p/exposure/")
        plain = reader.localize(log, tmp_path)
        assert plain.read_bytes() == content
        assert reader.beside(log, plain).with_name(f"{NAME}.index").read_bytes() == saved

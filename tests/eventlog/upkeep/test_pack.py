"""Compressing closed segments: nothing is lost, and nothing that is half is seen, whenever it ends."""

import os
import zlib

import pytest
import zstandard

from closed_segments import NAME, Death, Killed, write_dead, write_segment
from recsys.errors import StorageError
from recsys.eventlog import reader
from recsys.eventlog.upkeep import pack
from recsys.eventlog.writing import index
from recsys.eventlog.writing.segment import segments


def unpacked(path):
    """What the library's own one-call function makes of a packed file."""
    with path.open("rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()


def read_back(folder):
    """All lines that `recsys-eval` would read of a folder, in order."""
    scratch = folder.parent / f"scratch-{len(list(folder.parent.iterdir()))}"
    scratch.mkdir()
    return b"".join(reader.localize(path, scratch).read_bytes() for path in reader.expand(str(folder)))


def test_a_sealed_segment_is_packed(tmp_path):
    """The packed file holds the same, the plain one is gone, and the index stays and agrees with it."""
    content = write_segment(tmp_path)
    assert list(pack.pack_closed(tmp_path, "exposure")) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{NAME}.index", f"{NAME}.zst"]
    assert unpacked(tmp_path / f"{NAME}.zst") == content
    assert (tmp_path / f"{NAME}.zst").stat().st_size < len(content) / 3
    seal = index.read(tmp_path / f"{NAME}.index").sealed
    assert (seal.lines, seal.bytes, seal.crc) == (50, len(content), zlib.crc32(content))


def test_a_segment_of_blocks_is_packed_in_pieces(tmp_path, monkeypatch):
    """What is larger than a block comes back whole, and between blocks the work can be ended."""
    monkeypatch.setattr(pack, "BLOCK_BYTES", 1000)
    content = write_segment(tmp_path)
    calls = []
    pack.pack(tmp_path / NAME, going=lambda: calls.append(1))
    assert unpacked(tmp_path / f"{NAME}.zst") == content
    assert len(calls) >= len(content) // 1000


def test_an_open_segment_stays(tmp_path):
    """A segment that is written to, and one that its writer left without a seal, are not packed."""
    _, writer = write_segment(tmp_path, close=False)
    write_dead(tmp_path)
    assert list(pack.pack_closed(tmp_path, "exposure")) == []
    assert [path.suffix for path in segments(tmp_path, "exposure")] == [".jsonl", ".jsonl"]
    assert pack.pack(tmp_path / NAME) is None
    writer.close()
    assert pack.pack(tmp_path / NAME) == tmp_path / f"{NAME}.zst"


def test_a_segment_that_was_changed_is_left_as_it_is(tmp_path):
    """What is not as its seal says is told and neither packed nor removed; other segments are packed."""
    write_segment(tmp_path)
    write_segment(tmp_path, writer="w2")
    with (tmp_path / NAME).open("r+b") as file:
        file.write(b"X")
    [message] = pack.pack_closed(tmp_path, "exposure")
    assert NAME in message
    assert "not what was sealed" in message
    assert sorted(path.name for path in tmp_path.glob("*[tl]")) == [NAME, "exposure-2026-02-05.w2-1.jsonl.zst"]
    assert not list(tmp_path.glob("*.part"))


def test_a_disk_that_keeps_something_else_is_seen(tmp_path):
    """Where the packed file reads back differently, the plain one stays, and no packed one appears."""

    class Disk:
        def __getattr__(self, name):
            return getattr(os, name)

        def write(self, fd, data):
            return os.write(fd, bytes(data[:-20]) + bytes(len(data[-20:])))

    content = write_segment(tmp_path)
    with pytest.raises(StorageError, match="reads back differently"):
        pack.pack(tmp_path / NAME, files=Disk())
    assert (tmp_path / NAME).read_bytes() == content
    assert not (tmp_path / f"{NAME}.zst").exists()
    assert list(pack.pack_closed(tmp_path, "exposure")) == []
    assert read_back(tmp_path) == content


def test_a_full_disk_is_told_and_tried_again(tmp_path):
    """Without room the segment stays plain, and is told."""

    class Full:
        def __getattr__(self, name):
            return getattr(os, name)

        def write(self, fd, data):
            raise OSError(28, "No space left on device")

    content = write_segment(tmp_path)
    [message] = pack.pack_closed(tmp_path, "exposure", files=Full())
    assert "No space left" in message
    assert read_back(tmp_path) == content
    assert list(pack.pack_closed(tmp_path, "exposure")) == []
    assert unpacked(tmp_path / f"{NAME}.zst") == content


def test_the_order_of_what_reaches_the_disk(tmp_path):
    """The packed file is flushed before it has its name, and its name before the plain file goes: a power cut finds one
    of both."""
    write_segment(tmp_path)
    death = Death()
    pack.pack(tmp_path / NAME, files=death.of(os))
    told = [name for name in death.names if name not in {"write", "open", "close"}]
    assert told == ["fsync", "rename", "fsync", "unlink"]


def test_p7_packing_killed_at_any_operation_loses_nothing(tmp_path):
    """Ended at each file operation: what readers find is whole and there once, and the next pass ends as if nothing
    had been."""
    number = 0
    while True:
        number += 1
        folder = tmp_path / str(number) / "logs"
        content = write_segment(folder)
        death = Death(at=number)
        try:
            list(pack.pack_closed(folder, "exposure", files=death.of(os)))
        except Killed:
            pass
        else:
            break
        assert read_back(folder) == content
        assert all(unpacked(path) == content for path in folder.glob("*.zst"))
        assert list(pack.pack_closed(folder, "exposure")) == []
        assert sorted(path.name for path in folder.iterdir()) == [f"{NAME}.index", f"{NAME}.zst"]
        assert unpacked(folder / f"{NAME}.zst") == content
    assert number > 9, "open, write, fsync, close, rename, the folder's three, unlink"


def test_without_compression_what_was_begun_is_completed(tmp_path):
    """`begun_only` removes the plain twin of a packed segment, or packs it again where that is not what was sealed,
    and packs nothing else."""
    content = write_segment(tmp_path)
    write_segment(tmp_path, writer="w2")
    for damage in (b"", b"not zstd", zstandard.compress(content[:-1])):
        (tmp_path / f"{NAME}.zst").write_bytes(damage or zstandard.compress(content))
        (tmp_path / NAME).write_bytes(content)
        assert list(pack.pack_closed(tmp_path, "exposure", begun_only=True)) == []
        assert [path.name for path in segments(tmp_path, "exposure")] == [
            f"{NAME}.zst",
            "exposure-2026-02-05.w2-1.jsonl",
        ]
        assert unpacked(tmp_path / f"{NAME}.zst") == content


def test_what_an_interrupted_packing_left_goes_with_its_segment(tmp_path):
    """A `.part` whose segment is gone is removed, of this log only."""
    for name in (f"{NAME}.zst.part", "outcome-2026-02-05.w1-1.jsonl.zst.part", "exposure-notes.zst.part"):
        (tmp_path / name).touch()
    assert list(pack.pack_closed(tmp_path, "exposure")) == []
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["exposure-notes.zst.part", "outcome-2026-02-05.w1-1.jsonl.zst.part"]

"""Finding logs and unpacking them: what is cut off or missing is said, never read as if it were whole."""

import gzip
import io
import os
import subprocess
import sys
import threading

import pytest
import zstandard

from recsys.errors import InputError
from recsys.eventlog import reader

TEXT = b"".join(b'{"line":%d}\n' % number for number in range(50_000))


def test_expand_a_folder_takes_its_logs_in_order(tmp_path):
    """A folder stands for its JSONL files, plain and compressed, sorted by name; other files stay out."""
    for name in ("b.jsonl", "a.jsonl.gz", "c.jsonl.zst", "d.jsonl.torn", "notes.txt", ".x"):
        (tmp_path / name).touch()
    (tmp_path / "e.jsonl").mkdir()
    assert [path.name for path in reader.expand(str(tmp_path))] == ["a.jsonl.gz", "b.jsonl", "c.jsonl.zst"]


def test_expand_a_glob_a_file_and_stdin(tmp_path):
    """A pattern gives the files that match, a file itself, `-` standard input."""
    for name in ("a-1.jsonl", "a-2.jsonl", "b.jsonl", "a[1].jsonl"):
        (tmp_path / name).touch()
    found = reader.expand(str(tmp_path / "a-*.jsonl"))
    assert [path.name for path in found] == ["a-1.jsonl", "a-2.jsonl"]
    assert [path.name for path in reader.expand(str(tmp_path / "a[1].jsonl"))] == ["a[1].jsonl"]
    assert [str(path) for path in reader.expand("-")] == ["-"]


@pytest.mark.parametrize("spec", ["missing.jsonl", "missing-*.jsonl", "x" * 5000, "a\0b"])
def test_expand_nothing(tmp_path, spec):
    """A name behind which nothing stands is one InputError."""
    with pytest.raises(InputError, match=r"no such file|cannot be read"):
        reader.expand(f"{tmp_path}/{spec}")


def test_expand_a_folder_without_logs(tmp_path):
    """An empty folder is said to be one, with the endings that count."""
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"holds no log .*\.jsonl\.gz"):
        reader.expand(str(tmp_path))


def packed(kind: str, text: bytes = TEXT) -> bytes:
    return gzip.compress(text) if kind == "gz" else zstandard.compress(text)


@pytest.mark.parametrize("kind", ["gz", "zst"])
@pytest.mark.parametrize("frames", [1, 3])
def test_compressed_files_are_read_whole(tmp_path, kind, frames):
    """Every member or frame of a compressed file counts."""
    path = tmp_path / f"log.jsonl.{kind}"
    path.write_bytes(packed(kind) * frames)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert reader.localize(path, scratch).read_bytes() == TEXT * frames


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_an_empty_compressed_file(tmp_path, kind):
    """A compressed file of nothing holds nothing."""
    for number, content in enumerate((packed(kind, b""), b"")):
        path = tmp_path / f"log{number}.jsonl.{kind}"
        path.write_bytes(content)
        assert reader.localize(path, tmp_path).read_bytes() == b""


@pytest.mark.parametrize("kind", ["gz", "zst"])
@pytest.mark.parametrize("cut", [2, 30, 0.5, 0.9, -1, -9])
def test_truncated_files_are_refused(tmp_path, kind, cut):
    """A file that ends early is refused with how much of it can be read."""
    whole = packed(kind)
    path = tmp_path / f"log.jsonl.{kind}"
    path.write_bytes(whole[: int(cut * len(whole)) if isinstance(cut, float) else cut])
    with pytest.raises(InputError, match=r"cannot be decompressed.*bytes could be read.*cut off or damaged"):
        reader.localize(path, tmp_path)


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_a_second_frame_that_is_cut_off(tmp_path, kind):
    """A whole frame before does not hide the one that is not whole."""
    path = tmp_path / f"log.jsonl.{kind}"
    path.write_bytes(packed(kind) + packed(kind)[:-20])
    with pytest.raises(InputError, match="cannot be decompressed"):
        reader.localize(path, tmp_path)


@pytest.mark.parametrize("kind", ["gz", "zst"])
@pytest.mark.parametrize(
    "content", [b"not compressed at all", packed("gz")[:-5] + b"x" * 5, packed("zst") + b"garbage"]
)
def test_damaged_files_are_refused(tmp_path, kind, content):
    """What is no compressed file, or a damaged one, is refused."""
    path = tmp_path / f"log.jsonl.{kind}"
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be decompressed"):
        reader.localize(path, tmp_path)


def test_two_files_of_one_name(tmp_path):
    """Compressed files of the same name in two folders do not overwrite each other."""
    copies = []
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for folder in ("a", "b"):
        path = tmp_path / folder / "log.jsonl.gz"
        path.parent.mkdir()
        path.write_bytes(packed("gz", folder.encode()))
        copies.append(reader.localize(path, scratch))
    assert [copy.read_bytes() for copy in copies] == [b"a", b"b"]


def test_a_named_pipe_is_read(tmp_path):
    """A pipe has no size to go by: its content counts."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    thread = threading.Thread(target=pipe.write_bytes, args=(TEXT,))
    thread.start()
    [path] = reader.expand(str(pipe))
    assert reader.localize(path, tmp_path).read_bytes() == TEXT
    thread.join()


def test_standard_input_once(tmp_path, monkeypatch):
    """`-` reads standard input; a second `-` is refused, not read as an empty log."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT)))
    assert reader.localize(reader.expand("-")[0], tmp_path).read_bytes() == TEXT
    with pytest.raises(InputError, match="can be read once"):
        reader.localize(reader.expand("-")[0], tmp_path)


def test_a_file_that_may_not_be_read(tmp_path):
    """A file that vanished is one InputError."""
    with pytest.raises(InputError, match="cannot be read"):
        reader.localize(tmp_path / "gone.jsonl", tmp_path)


def test_compressing_programs_are_understood(tmp_path):
    """Files of the usual programs, also with a size that was not known before, are read."""
    for program, kind in (("gzip", "gz"), ("zstd", "zst")):
        try:
            done = subprocess.run([program, "-c"], input=TEXT, capture_output=True, check=True)
        except FileNotFoundError:
            continue
        path = tmp_path / f"log.jsonl.{kind}"
        path.write_bytes(done.stdout)
        assert reader.localize(path, tmp_path).read_bytes() == TEXT

"""Finding log files, and giving plain files to those who read them."""

from __future__ import annotations

import glob
import gzip
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

import zstandard

from recsys.errors import InputError, StorageError
from recsys.eventlog import remote
from recsys.eventlog.frames import ZstdFrames
from recsys.eventlog.remote import Remote
from recsys.eventlog.writing.segment import PACKED

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")
STDIN = "-"
MARKS = {
    b"\x1f\x8b": ("a gzip file", "Let its name end in .gz."),
    b"\x28\xb5\x2f\xfd": ("a Zstandard file", "Let its name end in .zst."),
    b"PAR1": (
        "a Parquet file",
        "Only `--exposures`, `--outcomes` and `--assignments` take Parquet, in files named *.parquet.",
    ),
    b"PK\x03\x04": ("a ZIP archive", "Unpack it first."),
}
"""How files begin that are often taken for a log."""
CHUNK_BYTES = 1 << 20
LogFile = Path | Remote
"""A log, here or in an object store; printed, it is what a person would give."""


_File = TypeVar("_File", Path, LogFile)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def expand(spec: str) -> Sequence[LogFile]:
    """The files behind a path, a glob pattern, a folder (its JSONL files), or the URL of an object or of a prefix (all
    that is below it), in order of name.

    ``-`` stands for standard input and stays as it is. InputError where nothing is there, StorageError where an object
    store does not answer.
    """
    if spec == STDIN:
        return [Path(STDIN)]
    if remote.is_url(spec):
        return _once(remote.expand(spec, SUFFIXES))
    try:
        return _expand(spec)
    except OSError as error:
        raise InputError("cannot be read", where=spec, found=error.strerror or str(error)) from None


def expand_all(specs: Sequence[str]) -> list[LogFile]:
    """The files behind all of ``specs``, none of them twice (see ``refuse_twice``)."""
    return refuse_twice([path for spec in specs for path in expand(spec)])


def refuse_twice(paths: list[_File]) -> list[_File]:
    """``paths``; InputError where one file is there twice: all rows of it would be repeats of themselves."""
    seen: set[str] = set()
    for path in paths:
        if (real := str(path.resolve() if isinstance(path, Path) else path)) in seen:
            hint = "Name each file once; a link is the file that it points to."
            raise InputError("the same file is given twice", where=str(path), hint=hint)
        seen.add(real)
    return paths


def _once(files: list[_File]) -> list[_File]:
    """A segment whose packing, or moving, was interrupted stands there plain and packed, and counts once: plain."""
    there = {str(file) for file in files}
    return [file for file in files if not (file.suffix == PACKED and str(file).removesuffix(PACKED) in there)]


def _expand(spec: str) -> list[Path]:
    path = Path(spec)
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.name.endswith(SUFFIXES) and file.is_file())
        if not found:
            hint = "Of folders below it give a glob, such as LOGS/**/*.jsonl."
            raise InputError(
                "the folder holds no log", where=spec, expected=f"files ending in {', '.join(SUFFIXES)}", hint=hint
            )
        return _once(found)
    if path.exists():
        return [path]
    found = sorted(Path(name) for name in glob.glob(spec, recursive=True) if Path(name).is_file())  # noqa: PTH207 - absolute patterns too
    if not found:
        raise InputError(
            "no such file", where=spec, hint="Give a file, a folder of .jsonl files, a glob, a URL, or - for stdin."
        )
    return _once(found)


def localize(path: LogFile, scratch: Path) -> Path:
    """A plain, seekable file with the content of ``path``: itself, or a copy in ``scratch`` of an object, stdin, a
    pipe, gz, zst. A copy of an object has the indexes of its log beside it, see ``beside``.

    InputError where a compressed file is truncated or is none; StorageError where an object cannot be fetched.
    """
    if isinstance(path, Remote):
        return _fetched(path, scratch)
    target = scratch / f"{len(list(scratch.iterdir()))}-{path.stem}"
    try:
        if str(path) == STDIN:
            return _copy_of_stdin(scratch)
        with path.open("rb") as source:
            if path.suffix == ".gz":
                _unpack(path, _GzipMembers(source), target)
            elif path.suffix == ".zst":
                _unpack(path, ZstdFrames(source), target)
            elif not path.is_file():  # a named pipe, or what the shell makes of <(command)
                _copy(source, target)
            else:
                _refuse_binary(path, source.read(8))
                return path
    except OSError as error:
        raise InputError("cannot be read", where=str(path), found=error.strerror or str(error)) from None
    return target


def beside(path: LogFile, plain: Path) -> Path:
    """The file beside which the indexes of a log stand here, where ``plain`` is what ``localize`` made of it."""
    return plain if isinstance(path, Remote) else path


def fetch(path: Remote, scratch: Path) -> Path:
    """A copy of an object as it is, under its name, in a folder of its own in ``scratch``, with the indexes of its log
    beside it."""
    folder = scratch / f"{len(list(scratch.iterdir()))}-fetched"
    folder.mkdir()
    for name, pieces in path.beside():
        _write(pieces, folder / name)
    _write(path.pieces(), folder / path.name)
    return folder / path.name


def _fetched(path: Remote, scratch: Path) -> Path:
    """A plain copy of an object, under the name that the log had before it was packed."""
    copy = fetch(path, scratch)
    if path.suffix not in {".gz", ".zst"}:
        with copy.open("rb") as source:
            _refuse_binary(path, source.read(8))
        return copy
    target = copy.parent / copy.stem
    with copy.open("rb") as source:
        _unpack(path, _GzipMembers(source) if path.suffix == ".gz" else ZstdFrames(source), target)
    copy.unlink()
    return target


def _write(pieces: Iterable[bytes], target: Path) -> None:
    with temporary(target) as write:
        for piece in pieces:
            write(piece)


def _refuse_binary(path: LogFile, beginning: bytes) -> None:
    """InputError for a file that is no text and that its name hides; line by line nothing useful could be said."""
    for mark, (kind, hint) in MARKS.items():
        if beginning.startswith(mark):
            raise InputError("not a JSONL file", where=str(path), found=kind, expected="JSON lines", hint=hint)


def _copy_of_stdin(scratch: Path) -> Path:
    target = scratch / "stdin.jsonl"
    if target.exists():
        raise InputError("standard input can be read once", where=STDIN, hint="Give one of the logs as a file.")
    _copy(sys.stdin.buffer, target)
    return target


def _copy(source: _Readable, target: Path) -> None:
    with temporary(target) as write:
        while chunk := source.read(CHUNK_BYTES):
            write(chunk)


@contextmanager
def temporary(target: Path) -> Iterator[Callable[[bytes], object]]:
    """What appends to a new temporary file; StorageError where the disk has no room for it."""
    with target.open("wb", buffering=0) as out:

        def write(content: bytes) -> None:
            rest = memoryview(content)
            try:
                while rest:
                    rest = rest[out.write(rest) :]
            except OSError as error:
                found = error.strerror or str(error)
                hint = "Free space in the temporary folder, or let TMPDIR name one with more room."
                raise StorageError("no room for a temporary file", where=str(target), found=found, hint=hint) from None

        yield write


def _unpack(path: LogFile, source: _Readable, target: Path) -> None:
    try:
        _copy(source, target)
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
        whole = f"{target.stat().st_size:,} bytes could be read"
        hint = "The file is cut off or damaged: copy it again, or decompress what is whole with gzip or zstd first."
        if isinstance(error, gzip.BadGzipFile | zstandard.ZstdError) and not target.stat().st_size:
            hint = f"If it is not compressed, let its name not end in {path.suffix}; else copy it again."
        raise InputError(f"cannot be decompressed: {error}", where=str(path), found=whole, hint=hint) from None


class _GzipMembers:
    """The content of a gzip file, piece by piece: what stands before a damage is read, and can be told."""

    def __init__(self, source: BinaryIO) -> None:
        self._file = gzip.GzipFile(fileobj=source)

    def read(self, size: int) -> bytes:
        """Some of the content, b"" at its end; EOFError where the file is cut off."""
        return self._file.read1(size)

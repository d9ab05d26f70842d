"""Finding log files, and giving plain files to those who read them."""

from __future__ import annotations

import glob
import gzip
import shutil
import sys
import zlib
from pathlib import Path

import zstandard

from recsys.errors import InputError

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")
STDIN = "-"


def expand(spec: str) -> list[Path]:
    """The files behind a path, a glob pattern, or a folder (its JSONL files), in order of name.

    ``-`` stands for standard input and stays as it is. InputError where nothing is there.
    """
    if spec == STDIN:
        return [Path(STDIN)]
    path = Path(spec)
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.name.endswith(SUFFIXES) and file.is_file())
        if not found:
            raise InputError("the folder holds no log", where=spec, expected=f"files ending in {', '.join(SUFFIXES)}")
        return found
    if path.exists():
        return [path]
    found = sorted(Path(name) for name in glob.glob(spec, recursive=True) if Path(name).is_file())  # noqa: PTH207 - absolute patterns too
    if not found:
        raise InputError(
            "no such file", where=spec, hint="Give a file, a folder of .jsonl files, a glob, or - for stdin."
        )
    return found


def localize(path: Path, scratch: Path) -> Path:
    """A plain, seekable file with the content of ``path``: itself, or a copy in ``scratch`` of stdin, gz or zst.

    InputError where a compressed file is truncated or is none.
    """
    if str(path) == STDIN:
        target = scratch / "stdin.jsonl"
        with target.open("wb") as out:
            shutil.copyfileobj(sys.stdin.buffer, out, 1 << 20)
        return target
    if path.suffix not in {".gz", ".zst"}:
        _check_readable(path)
        return path
    target = scratch / f"{len(list(scratch.iterdir()))}-{path.stem}"
    try:
        with _decompressed(path) as source, target.open("wb") as out:
            shutil.copyfileobj(source, out, 1 << 20)
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError, OSError) as error:
        whole = f"{target.stat().st_size:,} bytes could be read" if target.exists() else "nothing could be read"
        hint = "The file is cut off or damaged: copy it again, or decompress what is whole with gzip or zstd first."
        raise InputError(f"cannot be decompressed: {error}", where=str(path), found=whole, hint=hint) from None
    return target


def _decompressed(path: Path):  # noqa: ANN202 - two libraries, one protocol: a binary stream
    if path.suffix == ".gz":
        return gzip.open(path, "rb")
    return zstandard.open(path, "rb")


def _check_readable(path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise InputError("cannot be read", where=str(path), found=error.strerror or str(error)) from None

"""What a command may write: before it begins each output is held against the others, and against all that is read."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recsys.attribution.sources import Dataset

Named = tuple[str, Path]
"""An option, and the file that it names."""


def named(option: str, paths: Iterable[Path | None]) -> list[Named]:
    """The files of one option."""
    return [(option, path) for path in paths if path is not None]


def check(outputs: Sequence[Named], inputs: Iterable[Path | str | None] = (), history: Path | None = None) -> None:
    """StorageError where an output cannot be written, is read too, or would change a report that ``history`` keeps;
    UsageError where two of them are one file."""
    from recsys.errors import StorageError, UsageError
    from recsys.eventlog.whole import check_output

    read = [str(path) for path in inputs if path is not None]
    for option, path in outputs:
        check_output(path, read, option=option)
        if history is not None and path.resolve().is_relative_to(history.resolve()):
            hint = f"The folder keeps what runs left, and is written by `run --history` alone: name another {option}."
            raise StorageError("it is in the folder of the history", where=str(path), hint=hint)
    for (option, path), (other, second) in combinations(outputs, 2):
        if _one_file(path, second):
            hint = f"Each would overwrite what the other wrote: name another {other}."
            raise UsageError(f"{option} and {other} name one file", where=str(path), hint=hint)


def _one_file(path: Path, other: Path) -> bool:
    """Whether both are one file; to a device several may write."""
    if path.exists() and not path.is_file():
        return False
    return path.resolve() == other.resolve() or (path.exists() and other.exists() and path.samefile(other))


def of_dataset(dataset: Dataset, outputs: Sequence[Named]) -> list[str]:
    """The files among a dataset's logs, as far as one of the outputs could be one of them."""
    sources = [part for part in (dataset.exposures, dataset.outcomes, dataset.assignments) if part is not None]
    specs = [spec for part in sources for spec in part.specs]
    return [file for spec in (*specs, dataset.items) if spec is not None for file in _files(spec, outputs)]


def _files(spec: str, outputs: Sequence[Named]) -> Iterator[str]:
    from recsys.eventlog.reader import SUFFIXES

    folder = Path(spec)
    if not folder.is_dir():
        yield from [spec] if folder.exists() else glob.glob(spec, recursive=True)  # noqa: PTH207 - absolute patterns too
        return
    for _, path in outputs:
        if path.name.endswith((*SUFFIXES, ".parquet")) and path.resolve().is_relative_to(folder.resolve()):
            yield str(path)

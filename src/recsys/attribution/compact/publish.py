"""From a work folder into place: whatever ends a run in the middle, the next one completes or undoes what it left.

A batch is made below ``_compacting``. Once all of it is on the disk, the manifest that knows it is put there too, under
its name: from then on the batch counts, and is moved into place, the manifest last. What is left there without a
manifest is removed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from recsys.attribution.compact import manifest as manifests
from recsys.attribution.compact.layout import MANIFEST, WORK
from recsys.attribution.compact.manifest import Manifest, Part
from recsys.attribution.compact.survey import pieces
from recsys.eventlog.writing import places

NEW = ".new"

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC


class Folder:
    """A compacted folder that this process alone changes. ``files`` offers the functions of ``os`` that change files,
    so that a test can end the process at any of them."""

    def __init__(self, path: Path, files: Any = os) -> None:
        self.path = path
        self.work = path / WORK
        self._files = files

    def recover(self) -> Manifest:
        """Complete or undo what a run left that was cut off; what the folder holds then."""
        left = manifests.read(self.work / MANIFEST)
        if left is not None:
            self._move(left)
        self._clear()
        return manifests.read(self.path / MANIFEST) or Manifest()

    @contextmanager
    def working(self) -> Iterator[None]:
        """The work folder, empty, for the block. Where the block fails before the batch counts, nothing is left."""
        self._make(self.work)
        try:
            yield
        except BaseException:
            if not (self.work / MANIFEST).exists():
                shutil.rmtree(self.work, ignore_errors=True)
            raise

    def room_for(self, path: str) -> Path:
        """Where to make what shall stand at ``path`` below the folder: names of files are all different."""
        return self.work / Path(path).name

    def part(self, path: str, rows: int) -> Part:
        """A file that was made for ``path``, on the disk now."""
        made = self.room_for(path)
        fd = self._files.open(made, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._files.fsync(fd)
        finally:
            self._files.close(fd)
        digest = sha256()
        for piece in pieces(made, 0, size := made.stat().st_size):
            digest.update(piece)
        return Part(path=path, rows=rows, bytes=size, sha256=digest.hexdigest())

    def write(self, path: str, content: Iterable[bytes]) -> None:
        """Make a file for ``path``, on the disk."""
        self._write(self.room_for(path), content)

    def commit(self, manifest: Manifest) -> None:
        """All that was made counts, and goes into place with the manifest that knows it."""
        made = self.work / f"{MANIFEST}{NEW}"
        self._write(made, [manifests.encoded(manifest)])
        self._files.rename(made, self.work / MANIFEST)
        places.sync_folder(self._files, self.work)
        places.sync_folder(self._files, self.path)
        self._move(manifest)
        self._clear()

    def _write(self, path: Path, content: Iterable[bytes]) -> None:
        fd = self._files.open(path, _CREATE, 0o666)
        try:
            for piece in content:
                rest = memoryview(piece)
                while rest:
                    rest = rest[self._files.write(fd, rest) :]
            self._files.fsync(fd)
        finally:
            self._files.close(fd)

    def _move(self, manifest: Manifest) -> None:
        """Give what the last batch has in the work folder its place, the manifest last."""
        paths = [path for batch in manifest.batches[-1:] for path in batch.files()]
        for path in paths:
            made, target = self.room_for(path), self.path / path
            if made.exists():
                for folder in reversed(self._between(target)):
                    self._make(folder)
                self._files.rename(made, target)
        for folder in sorted({folder for path in paths for folder in self._between(self.path / path)} | {self.path}):
            if folder.is_dir():  # an old day may have been removed since
                places.sync_folder(self._files, folder)
        self._files.rename(self.work / MANIFEST, self.path / MANIFEST)
        places.sync_folder(self._files, self.path)

    def _between(self, path: Path) -> list[Path]:
        """The folders that a file is in, below the whole one."""
        return [folder for folder in path.parents if self.path in folder.parents]

    def _make(self, folder: Path) -> None:
        if not folder.is_dir():
            self._files.mkdir(folder)

    def _clear(self) -> None:
        """Remove the work folder, the manifest first: without it nothing there counts."""
        if not self.work.exists():
            return
        for path in sorted(self.work.iterdir(), key=lambda path: (path.name != MANIFEST, path.name)):
            self._files.unlink(path)
        self._files.rmdir(self.work)
        places.sync_folder(self._files, self.path)

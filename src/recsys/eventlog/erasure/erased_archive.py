"""Closed segments in an object store, as an erasure sees them: fetched one at a time, and put back changed.

Objects cannot be renamed. What is to replace them is put beside them first, as ``….erasing``, that of the index last.
Once it is there, all is decided: the objects are removed and put anew, and what stood beside them goes, that of the
index last. So whatever ends this in the middle, the next erasure completes it, or removes what was not decided.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from recsys.errors import StorageError
from recsys.eventlog.audit import layout
from recsys.eventlog.erasure.erased_files import LogFile
from recsys.eventlog.writing.segment import INDEX, TORN, parse, plain_name
from recsys.objectstore import Store

NEW = ".erasing"


class Archived:
    """One segment in a store: its objects by name, and a folder here for their copies."""

    def __init__(self, store: Store, keys: dict[str, str], folder: Path) -> None:
        self._store = store
        self._keys = keys
        self._folder = folder
        self._before: dict[str, bytes] = {}

    def fetch(self, name: str) -> Path:
        """A copy of one object."""
        path = self._folder / name
        with path.open("wb") as out:
            for piece in self._store.read(self._keys[name]):
                out.write(piece)
        self._before[name] = _digest(path)
        return path

    @contextmanager
    def content(self, path: Path) -> Iterator[None]:
        """The segment itself is here as ``path`` meanwhile."""
        self.fetch(path.name)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)

    def put_back(self) -> None:
        """Replace the objects whose copies here have changed. StorageError where the store does not take them."""
        here = {name: self._folder / name for name in self._before}
        gone = [name for name in here if name.endswith(TORN) and not here[name].exists()]
        changed = [name for name in here if here[name].exists() and _digest(here[name]) != self._before[name]]
        if changed:
            index = next(name for name in self._keys if name.endswith(INDEX))
            order = [*(name for name in changed if name != index), index]
            for name in order:
                self._put(self._keys[name] + NEW, here[name])
            for name in order:
                self._put(self._keys[name], here[name])
            for name in order:
                self._store.delete(self._keys[name] + NEW)
        for name in gone:
            self._store.delete(self._keys[name])
        self._before = {name: _digest(here[name]) for name in self._before if here[name].exists()}

    def _put(self, key: str, path: Path) -> None:
        _replace(self._store, key, path)


def _replace(store: Store, key: str, path: Path) -> None:
    store.delete(key)
    store.put(key, path)
    if store.head(key) != path.stat().st_size:
        raise StorageError("the store has not kept what was put there", where=store.url_of(key), hint="Run again.")


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def files_of(log: str, store: Store, scratch: Path) -> list[LogFile]:
    """The archived segments of a log. ``scratch``: an empty folder for copies; indexes are fetched at once."""
    _finish(log, store, scratch)
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for each in store.list(log):
        name = parse(PurePosixPath(each.key).name)
        if name is not None and name.log == log:
            found[plain_name(Path(each.key))][str(name)] = each.key
    return [_file(log, store, keys, scratch) for _, keys in sorted(found.items())]


def _file(log: str, store: Store, keys: dict[str, str], folder: Path) -> LogFile:
    archived = Archived(store, keys, folder)
    segment = next((name for name in sorted(keys) if not name.endswith((INDEX, TORN))), None)
    indexes = [archived.fetch(name) for name in keys if name.endswith(INDEX)]
    torn = [archived.fetch(name) for name in keys if name.endswith(TORN)] if indexes else []
    shown = segment or next(iter(keys))
    return LogFile(
        log=log, path=folder / shown, closed=bool(indexes), is_segment=True, is_empty=segment is None, indexes=indexes,
        torn=torn, sections=layout.scan(indexes[0]).sections if indexes else [], archived=archived,
        url=store.url_of(keys[shown]),
    )  # fmt: skip


def _finish(log: str, store: Store, scratch: Path) -> None:
    """Complete what was decided, and remove what was not."""
    left: dict[str, list[str]] = defaultdict(list)
    for each in store.list(log):
        if each.key.endswith(NEW):
            left[plain_name(Path(each.key.removesuffix(NEW)))].append(each.key)
    for keys in left.values():
        order = sorted(keys, key=lambda key: key.endswith(INDEX + NEW))
        if order[-1].endswith(INDEX + NEW):
            for key in order:
                copy = scratch / "left"
                copy.write_bytes(b"".join(store.read(key)))
                _replace(store, key.removesuffix(NEW), copy)
                copy.unlink()
        for key in order:
            store.delete(key)

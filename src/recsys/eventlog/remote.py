"""Logs in an object store, named by a URL: an object, or a prefix with all logs below it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from msgspec import Struct

from recsys.errors import InputError
from recsys.eventlog.writing.segment import INDEX
from recsys.objectstore import Store, check_url, is_url, shown

__all__ = ["Remote", "endings", "expand", "is_url"]


class Remote(Struct, frozen=True, eq=False):
    """A log that is an object: its store, its key there, and the keys of the indexes that stand beside it. Printed, it
    is its URL."""

    store: Store
    key: str
    indexes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.store.url_of(self.key)

    @property
    def name(self) -> str:
        """The last part of the key."""
        return PurePosixPath(self.key).name

    @property
    def suffix(self) -> str:
        """How the name ends: ``.jsonl``, ``.gz``, ``.zst``."""
        return PurePosixPath(self.key).suffix

    def pieces(self) -> Iterator[bytes]:
        """The object as it is in the store."""
        return self.store.read(self.key)

    def beside(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """The name and the pieces of each index."""
        for key in self.indexes:
            yield PurePosixPath(key).name, self.store.read(key)


def expand(url: str, suffixes: tuple[str, ...]) -> list[Remote]:
    """The object of this URL, or the logs below it, by key; names with a part that begins with ``_`` or ``.`` are of
    what a writer has not ended. InputError where there is none; StorageError where the store does not answer."""
    _check(url)
    parent, _, name = url.rpartition("/")
    if name and not parent.endswith(":/"):
        store = Store(f"{parent}/")
        if store.head(name) is not None:
            index = f"{_plain(name)}{INDEX}"
            return [Remote(store, name, () if store.head(index) is None else (index,))]
    store = Store(url)
    keys = {each.key for each in store.list()}
    found = [_remote(store, key, keys) for key in sorted(keys) if key.endswith(suffixes) and _is_data(key)]
    if not found:
        told = f"{len(keys):,} other objects" if keys else "nothing"
        expected = f"objects whose names end in {', '.join(suffixes)}"
        raise InputError("no log is there", where=shown(url), found=told, expected=expected)
    return found


def endings(url: str, suffixes: tuple[str, ...]) -> list[str]:
    """Those of ``suffixes`` that names of objects at the URL, or below it, end in."""
    _check(url)
    keys = [each.key for each in Store(url).list()]
    return [suffix for suffix in suffixes if any(key.endswith(suffix) and _is_data(key) for key in keys)]


def _check(url: str) -> None:
    check_url(url)
    if "*" in url:
        hint = "Give a prefix instead, such as s3://bucket/exposure/2026-02-05/; several can be given."
        raise InputError("a URL is no pattern", where=shown(url), hint=hint)


def _is_data(key: str) -> bool:
    return not any(part.startswith(("_", ".")) for part in key.split("/"))


def _remote(store: Store, key: str, keys: set[str]) -> Remote:
    begins = f"{_plain(key)}."
    return Remote(store, key, tuple(sorted(each for each in keys if each.startswith(begins) and each.endswith(INDEX))))


def _plain(key: str) -> str:
    return key.removesuffix(".gz").removesuffix(".zst")

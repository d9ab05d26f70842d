"""Object stores behind one small interface: s3://, gs://, az:// and file:// URLs.

Credentials and endpoints come from the environment (``AWS_*``, ``GOOGLE_*``, ``AZURE_*``), as obstore reads them; a URL
that holds some is refused, and no error shows any. Nothing here keeps more than a few pieces of an object in memory.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from recsys.errors import InputError, StorageError

SCHEMES = ("s3", "gs", "az", "file")
PIECE_BYTES = 8 << 20
PIECES_AT_ONCE = 2
MAX_PIECES = 9_000
"""A store takes 10,000 pieces of an object: the pieces of a larger one are larger."""
_RETRY = {"max_retries": 3, "retry_timeout": timedelta(seconds=15)}
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT")
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION (for a store of your own AWS_ENDPOINT_URL)",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    "file": "the permissions of the folder",
}


class Object(Struct, frozen=True):
    """An object: its key below the URL of the store, and its size in bytes."""

    key: str
    size: int


def is_url(text: str) -> bool:
    """Whether a text is a URL and no path."""
    return _URL.match(text) is not None


def shown(url: str) -> str:
    """A URL without what may be secret: a user, a password (which may hold a slash), a query."""
    scheme, _, rest = url.partition("://")
    rest = re.split(r"[?#]", rest, maxsplit=1)[0]
    return f"{scheme}://{rest if scheme == 'file' else rest.rpartition('@')[2]}"


def check_url(url: str) -> str:
    """The URL; InputError where it is none that a store has, or carries secrets."""
    expected = "s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or file:///folder"
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise InputError("not an object store", where=shown(url), expected=expected)
    if "@" in (parts.netloc if parts.scheme == "file" else url) or parts.query or parts.fragment:
        hint = f"Credentials belong in the environment: {_CREDENTIALS[parts.scheme]}."
        raise InputError("a user, a query or a fragment stands in the URL", where=shown(url), hint=hint)
    if parts.scheme == "file" and (parts.netloc or not parts.path.startswith("/")):
        raise InputError("not an absolute path", where=shown(url), expected="file:///folder, with three slashes")
    if parts.scheme != "file" and not parts.netloc:
        raise InputError("the bucket is missing", where=shown(url), expected=expected)
    return url


class Store:
    """The objects below a URL, by their keys (``a/b``). Nothing is asked of it before its first use.

    ``going`` is called between two pieces of an object, and may raise to end a transfer: nothing of it is left then.
    InputError where the URL cannot be used, and where an object to be read is not there; StorageError where the store
    does not answer as it should.
    """

    def __init__(self, url: str, *, going: Callable[[], None] = lambda: None) -> None:
        self._scheme, _, rest = check_url(url).partition("://")
        self._url = f"{self._scheme}://{rest.rstrip('/')}"
        self._folder = Path(unquote(urlsplit(url).path)) if self._scheme == "file" else None
        self._going = going
        self._opened: Any = None

    def url_of(self, key: str = "") -> str:
        """The URL of an object, as it may be shown."""
        return f"{shown(self._url)}/{key}"

    def put(self, key: str, source: Path) -> None:
        """Make an object of a file, in pieces. One that is there already is left as it is: StorageError.

        A small object is made only where none is, by the store itself; of a large one, and where the store cannot do
        that (``AWS_CONDITIONAL_PUT=disabled``), this is looked up before.
        """
        size = source.stat().st_size
        if self._folder is not None:
            with self._told(key, "cannot be written"):
                self._folder.mkdir(parents=True, exist_ok=True)
        if size > PIECE_BYTES or not self._create(key, source.read_bytes()):
            if self.head(key) is not None:
                raise self._taken(key)
            with self._told(key, "cannot be written"):
                piece = max(PIECE_BYTES, -(-size // MAX_PIECES))
                pieces = self._pieces_of(source, piece)
                self._store.put(key, pieces, chunk_size=piece, max_concurrency=PIECES_AT_ONCE)
        if self._folder is not None:
            with self._told(key, "cannot be flushed"):
                _flush(self._folder, key)

    def head(self, key: str) -> int | None:
        """The size of an object in bytes; None where there is none."""
        with self._told(key, "cannot be looked up"):
            try:
                return self._store.head(key)["size"]
            except FileNotFoundError:
                return None

    def read(self, key: str) -> Iterator[bytes]:
        """An object, piece by piece."""
        size = self.head(key)
        if size is None:
            raise InputError("no such object", where=self.url_of(key))
        for start in range(0, size, PIECE_BYTES):
            self._going()
            with self._told(key, "cannot be read"):
                piece = bytes(self._store.get_range(key, start=start, end=min(start + PIECE_BYTES, size)))
            yield piece

    def list(self, prefix: str = "") -> Iterator[Object]:
        """The objects whose keys begin with whole names, ``a/`` as ``a``; none where nothing is there."""
        if self._folder is not None and not self._folder.is_dir():
            return
        with self._told(prefix, "cannot be listed"):
            for page in self._store.list(prefix=prefix or None):
                yield from (Object(meta["path"], meta["size"]) for meta in page)

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is gone already."""
        with self._told(key, "cannot be removed"), contextlib.suppress(FileNotFoundError):
            self._store.delete(key)

    @property
    def _store(self) -> Any:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _open(self) -> Any:
        from obstore.store import LocalStore, from_url  # late: few runs need it

        if self._folder is not None:
            if not self._folder.is_dir():
                raise FileNotFoundError(f"no folder {self._folder}")
            return LocalStore(prefix=self._folder)
        client: Any = {"connect_timeout": "5s", "timeout": "60s"}
        if self._scheme == "s3" and any(os.environ.get(name, "").startswith("http://") for name in _ENDPOINTS):
            client["allow_http"] = True  # it was asked for
        return from_url(self._url, client_options=client, retry_config=_RETRY)  # pyright: ignore[reportArgumentType, reportCallIssue]

    def _create(self, key: str, content: bytes) -> bool:
        """Make an object where there is none; False where the store cannot do so in one step."""
        from obstore.exceptions import AlreadyExistsError

        with self._told(key, "cannot be written"):
            try:
                self._store.put(key, content, mode="create")
            except AlreadyExistsError:
                raise self._taken(key) from None
            except NotImplementedError:
                return False
        return True

    def _pieces_of(self, source: Path, size: int) -> Iterator[bytes]:
        with source.open("rb", buffering=0) as file:
            while piece := file.read(size):
                self._going()
                yield piece

    def _taken(self, key: str) -> StorageError:
        hint = "Objects are never overwritten: compare both, and move one away."
        return StorageError("an object of this name is there already", where=self.url_of(key), hint=hint)

    @contextmanager
    def _told(self, key: str, problem: str) -> Iterator[None]:
        """What goes wrong with the store, told without secrets."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            hint = f"Check the URL, whether the store can be reached, and {_CREDENTIALS[self._scheme]}."
            raise StorageError(problem, where=self.url_of(key), found=_text_of(error), hint=hint) from None


def _text_of(error: Exception) -> str:
    """What a store's error says, in one line, the same each time: without the dump behind it, replies as they came,
    queries of URLs, and how long it took."""
    text = str(error).partition("Debug source")[0]
    code = re.search(r"<Code>(\w+)</Code>", text)
    line = " ".join(re.split(r"<\?xml|<Error|<html", text, maxsplit=1)[0].split()).rstrip(": ")
    line = re.sub(r"//[^/@\s]*@", "//", re.sub(r"\?[^\s)]*", "", line))
    line = re.sub(r" in [\d.]+\s?[nµm]?s\b|,? after \d+ retries|,? max_retries: \d+|,? retry_timeout: \w+", "", line)
    line = re.sub(r"[\s,]+-\s", " - ", line)
    return f"{line}: {code[1]}" if code else line


def _flush(root: Path, key: str) -> None:
    """An object of a folder is on the disk, with its name: a store elsewhere does that itself."""
    path = root / key
    for each in (path, *path.parents):
        fd = os.open(each, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        if each == root.parent:
            return

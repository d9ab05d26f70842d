"""Guesses at what pseudonyms were made of, and the functions that they may have been made with.

Anyone can make the same guesses, so a pseudonym that one of them gives is none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Protocol

from recsys.eventlog.salt import PLACEHOLDERS

NUMBERS = 200_000
_PREFIXES = ("", "user-", "user_", "u_", "u")
_WIDTHS = (4, 5, 6, 8, 10)
_SMALL, _STRIDE, _LIKELY_STRIDE = 2_000, 97, 7
_KNOWN_SAMPLE = 20_000
_KEYS = ("", "salt", *PLACEHOLDERS)
_BLOCK = 64  # bytes that SHA-256 takes at a time
_INNER, _OUTER = bytes(code ^ 0x36 for code in range(256)), bytes(code ^ 0x5C for code in range(256))
_NAMES = {"MD5": "md5", "SHA-1": "sha1", "SHA-224": "sha224", "SHA-256": "sha256", "SHA-512": "sha512"}


@dataclass(frozen=True)
class Function:
    """A hash function of strings. ``digest`` gives its bytes; ``is_dear`` says that it takes long: only a sample of the
    guesses is tried at first."""

    name: str
    hex_digits: int
    digest: Callable[[bytes], bytes]
    is_dear: bool = False


class Guesses(Protocol):
    """Ids, by number from 0. ``str`` says in words what they are."""

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    @property
    def are_likely(self) -> bool:
        """Whether people use such: a denser sample is tried first, or all at once where a column has few hashes and the
        function is not dear."""
        ...

    def ids(self, numbers: Iterable[int]) -> list[bytes]:
        """The ids with these numbers."""
        ...

    def sample(self, *, dense: bool) -> Sequence[int]:
        """The numbers of those to be tried first; ``dense``: more of them where they are likely."""
        ...


@dataclass(frozen=True)
class Family:
    """Ids that are made alike: ``prefix`` and a number below ``count``, padded with zeros to ``width`` digits."""

    prefix: str
    width: int
    count: int

    def __str__(self) -> str:
        padded = f"numbers padded to {self.width} digits" if self.width else "numbers"
        return f"{padded} after {self.prefix!r}" if self.prefix else padded

    @property
    def are_likely(self) -> bool:
        """Those without padding."""
        return not self.width

    def ids(self, numbers: Iterable[int]) -> list[bytes]:
        """The ids with these numbers."""
        form = f"{self.prefix}%0{self.width}d".encode() if self.width else f"{self.prefix}%d".encode()
        return [form % number for number in numbers]

    def sample(self, *, dense: bool) -> Sequence[int]:
        """Small numbers, with which people begin to count, and every so many of the others."""
        stride = _LIKELY_STRIDE if dense and self.are_likely else _STRIDE
        return [*range(min(_SMALL, self.count)), *range(_SMALL, self.count, stride)]


class Known:
    """Raw ids seen at ``source``, trimmed, as they are and in lower case."""

    are_likely = False

    def __init__(self, source: str, ids: Iterable[str]) -> None:
        trimmed = dict.fromkeys(one.strip() for one in ids)
        self._source = source
        self._ids = list(trimmed | dict.fromkeys(map(str.lower, trimmed)))

    def __str__(self) -> str:
        return f"ids of {self._source}"

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._ids)

    def ids(self, numbers: Iterable[int]) -> list[bytes]:
        """The ids with these numbers, in UTF-8."""
        return [self._ids[number].encode("utf-8", "surrogatepass") for number in numbers]

    def sample(self, *, dense: bool) -> Sequence[int]:  # noqa: ARG002 - a sample of what was seen is dense enough
        """Ids from all over the list, up to 20,000."""
        return range(0, self.count, max(1, -(-self.count // _KNOWN_SAMPLE)))


@cache
def families() -> tuple[Family, ...]:
    """Numbers with each prefix, unpadded first; padded are only those that padding changes: no id is guessed twice."""
    plain = [Family(prefix, 0, NUMBERS) for prefix in _PREFIXES]
    padded = [Family(prefix, width, min(NUMBERS, 10 ** (width - 1))) for prefix in _PREFIXES for width in _WIDTHS]
    return (*plain, *padded)


@cache
def functions() -> tuple[Function, ...]:
    """Hash functions without a key, and HMAC-SHA256 with an empty key and with such as stand in examples."""
    without = [
        Function(name, getattr(hashlib, algorithm)().digest_size * 2, partial(_hash, getattr(hashlib, algorithm)))
        for name, algorithm in _NAMES.items()
    ]
    keyed = [
        Function(f"HMAC-SHA256 with {f'the key {key!r}' if key else 'an empty key'}", 64, _hmac(key.encode()), True)
        for key in _KEYS
    ]
    return (*without, *keyed)


def _hash(algorithm: Callable[[bytes], hashlib._Hash], message: bytes) -> bytes:
    return algorithm(message).digest()


def _hmac(key: bytes) -> Callable[[bytes], bytes]:
    """HMAC (RFC 2104), with what depends on the key computed once: twice as fast as ``hmac.digest``."""
    padded = key.ljust(_BLOCK, b"\0")
    inner, outer = hashlib.sha256(padded.translate(_INNER)), hashlib.sha256(padded.translate(_OUTER))

    def digest(message: bytes) -> bytes:
        first, second = inner.copy(), outer.copy()
        first.update(message)
        second.update(first.digest())
        return second.digest()

    return digest

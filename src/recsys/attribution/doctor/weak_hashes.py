"""Weak hashes: pseudonyms that anybody can undo, for they are hashes of ids that can be guessed, without a secret key.

Hex of the length of MD5, SHA-1, SHA-224, SHA-256 or SHA-512 is compared with what those functions, and HMAC-SHA256
with an empty or a well-known key, make of

- numbers from 0 to 199,999, bare or after a prefix such as ``user-``, also padded with zeros (``guesses.families``);
- raw ids that are known, such as those of the other log, as they are and in lower case.

A sample is tried first, then all where one fits: numbers up to 1,999 and every 97th, of unpadded ones with functions
without a key every 7th, and up to 20,000 of the known ids. A column of fewer than 100 such hashes has all of the latter
numbers tried. So of 100 ids drawn at random from the 200,000 all are missed once in five million times, of 300 that
are padded or keyed once in 450, and of ids that count from 1 none. Digests are compared by 64 bits: ten
million guesses at a million pseudonyms fit by chance with a probability under 10⁻⁶. Nothing is hashed before a column
has hex of such a length.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from recsys.attribution.doctor.guesses import Family, Function, Guesses, Known, families, functions

EXAMPLES = 20
_LENGTHS = frozenset(function.hex_digits for function in functions())
FEW = 100
_KEY_BYTES = 8
_TABLE_BITS = 24


@dataclass(frozen=True)
class WeakHash:
    """Pseudonyms of a column that ``function`` makes of ``ids``, both in words: ``values`` distinct ones, in ``rows``.

    ``examples`` are a few of them, as given, for their lines to be found; they give people away, so no repr shows them.
    """

    column: str
    function: str
    ids: str
    values: int
    rows: int
    examples: tuple[str, ...] = field(repr=False)


class _Hashes:
    """The hex of one length in one column: the first 64 bits of each, its rows, and whether it is in upper case."""

    def __init__(self) -> None:
        self.keys = bytearray()
        self.rows = array("q")
        self.upper = bytearray()

    def add(self, values: Sequence[str], row_counts: Sequence[int]) -> None:
        heads = "".join([value[: 2 * _KEY_BYTES] for value in values])
        if not _is_hex(heads):
            hexes = [place for place, value in enumerate(values) if _is_hex(value[: 2 * _KEY_BYTES])]
            values, row_counts = [values[place] for place in hexes], [row_counts[place] for place in hexes]
            heads = "".join([value[: 2 * _KEY_BYTES] for value in values])
        self.keys += bytes.fromhex(heads)
        self.rows.extend(row_counts)
        self.upper += bytes(len(values)) if heads.islower() else bytes(value.isupper() for value in values)


def _is_hex(text: str) -> bool:
    return text.isascii() and text.isalnum() and not text.lower().strip("0123456789abcdef")


class WeakHashSearch:
    """Looks for weak hashes in any number of columns. ``known``: raw ids by the words for where they were seen;
    ``examples``: how many to keep of a kind."""

    def __init__(self, known: Mapping[str, Sequence[str]] | None = None, *, examples: int = EXAMPLES) -> None:
        self._examples = examples
        self._known = [Known(source, ids) for source, ids in (known or {}).items()]
        self._hashes: dict[int, dict[str, _Hashes]] = {length: {} for length in _LENGTHS}

    def add(self, column: str, values: Sequence[str], row_counts: Sequence[int]) -> None:
        """Takes a batch of distinct values of a column, each with the number of rows that it stands in."""
        lengths = list(map(len, values))
        for length in _LENGTHS.intersection(lengths):
            places = [place for place, found in enumerate(lengths) if found == length]
            hashes = self._hashes[length].setdefault(column, _Hashes())
            hashes.add([values[place] for place in places], [row_counts[place] for place in places])

    def found(self) -> list[WeakHash]:
        """The weak hashes, by column, function and ids."""
        found: list[WeakHash] = []
        for length, hashes in self._hashes.items():
            columns = [_Column(column, each, self._examples) for column, each in hashes.items() if each.rows]
            if columns:
                keys = _Keys(columns)
                of_length = [function for function in functions() if function.hex_digits == length]
                found += (weak for function in of_length for weak in self._made_by(function, columns, keys))
        return sorted(found, key=lambda weak: (weak.column, -weak.values, weak.function, weak.ids))

    def _made_by(self, function: Function, columns: list[_Column], keys: _Keys) -> Iterator[WeakHash]:
        for guesses in (*families(), *self._known):
            everything = guesses.are_likely and not function.is_dear and keys.are_few
            if everything or keys.meet(_digests(function, guesses, sampled=True)):
                digests = _digests(function, guesses)
                for column in columns if keys.meet(digests) else ():
                    yield from column.explained(function, guesses, digests)


class _Column:
    """The hashes of one length in a column, as arrays; each is explained once."""

    def __init__(self, name: str, hashes: _Hashes, examples: int) -> None:
        import numpy as np

        self.name = name
        self.examples = examples
        self.keys = np.frombuffer(bytes(hashes.keys), dtype=">u8").astype(np.uint64)
        self.rows = np.array(hashes.rows, dtype=np.int64)
        self.upper = hashes.upper
        self.open = np.ones(len(self.keys), dtype=bool)

    def explained(self, function: Function, guesses: Guesses, digests: Any) -> Iterator[WeakHash]:
        """What ``function`` makes of ``guesses``, of which ``digests`` are the first 64 bits."""
        import numpy as np

        order = np.argsort(digests)
        places = order[np.minimum(np.searchsorted(digests, self.keys, sorter=order), len(digests) - 1)]
        hit = (digests[places] == self.keys) & self.open
        self.open &= ~hit
        if hit.any():
            examples = [
                self._spelt(at, function.digest(guesses.ids([int(places[at])])[0]))
                for at in np.flatnonzero(hit)[: self.examples]
            ]
            rows = int(self.rows[hit].sum())
            yield WeakHash(self.name, function.name, str(guesses), int(hit.sum()), rows, tuple(examples))

    def _spelt(self, at: int, digest: bytes) -> str:
        return digest.hex().upper() if self.upper[at] else digest.hex()


def _digests(function: Function, guesses: Guesses, *, sampled: bool = False) -> Any:
    """The first 64 bits of the digests of all guesses, or of a sample of them: an array of uint64."""
    return (_of_family if isinstance(guesses, Family) else _computed)(function, guesses, sampled)


def _computed(function: Function, guesses: Guesses, sampled: bool) -> Any:
    import numpy as np

    digest = function.digest
    ids = guesses.ids(guesses.sample(dense=not function.is_dear) if sampled else range(guesses.count))
    joined = b"".join([digest(one)[:_KEY_BYTES] for one in ids])
    return np.frombuffer(joined, dtype=">u8").astype(np.uint64)


_of_family = cache(_computed)
"""Families are the same in every log, so their digests are made once: up to 40 MB of them."""


class _Keys:
    """The keys of all columns. Most digests are ruled out by their first bits, which takes a look into a table."""

    def __init__(self, columns: list[_Column]) -> None:
        import numpy as np

        self._keys = np.unique(np.concatenate([column.keys for column in columns]))
        self._begins = np.zeros(1 << _TABLE_BITS, dtype=bool)
        self._begins[self._keys >> np.uint64(64 - _TABLE_BITS)] = True

    @property
    def are_few(self) -> bool:
        """Whether a sample of the guesses could miss all of them."""
        return len(self._keys) < FEW

    def meet(self, digests: Any) -> bool:
        """Whether one of ``digests`` is among them."""
        import numpy as np

        likely = digests[self._begins[digests >> np.uint64(64 - _TABLE_BITS)]]
        places = np.minimum(np.searchsorted(self._keys, likely), len(self._keys) - 1)
        return bool((self._keys[places] == likely).any())

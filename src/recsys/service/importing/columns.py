"""Which column of a file is which field: ``--map theirs=ours``, and ``--set ours=value`` for all rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recsys.errors import InputError, UsageError, nearest

SHOWN = 12


class Columns:
    """The fields of rows under their own names. UsageError for what is mapped or set to no field, or twice.

    ``known`` are all fields, ``needed`` those without which no row can be taken.
    """

    def __init__(
        self, known: Sequence[str], needed: Sequence[str], renames: Sequence[str] = (), constants: Sequence[str] = ()
    ) -> None:
        mapped = [self._pair(word, "--map", "theirs=ours") for word in renames]
        fixed = [self._pair(word, "--set", "ours=value") for word in constants]
        given = [ours for _, ours in mapped] + [ours for ours, _ in fixed]
        for ours in given:
            if ours not in known:
                raise UsageError("no such field", found=ours, hint=nearest(ours, list(known)))
            if given.count(ours) > 1:
                raise UsageError("a field is given twice", found=ours, expected="one --map or --set")
        self._known = frozenset(known)
        self._needed = needed
        self._constants = dict(fixed)
        self._renames = dict(mapped)
        self._given = frozenset(given)
        self._left_out: set[str] = set()

    @staticmethod
    def _pair(word: str, option: str, expected: str) -> tuple[str, str]:
        left, equals, right = word.rpartition("=") if option == "--map" else word.partition("=")
        if not equals or not left or not right:
            raise UsageError(f"{option} cannot be read", found=word, expected=expected)
        return left, right

    def check(self, path: Path, header: Sequence[str]) -> None:
        """InputError where the columns of a file cannot give the needed fields, UsageError for a mapped one that it
        does not have."""
        for theirs in self._renames:
            if theirs not in header:
                raise UsageError(
                    "no such column to map", where=str(path), found=theirs, hint=nearest(theirs, list(header))
                )
        for name in self._needed:
            if name not in self._given and name not in header:
                found = ", ".join(header[:SHOWN]) + (", …" if len(header) > SHOWN else "")
                close = next((theirs for theirs in header if theirs.split(":")[0] == name), "THEIRS")
                hint = f"Say which column it is: --map {close}={name}"
                raise InputError(f"no column is {name}", where=str(path), found=found, hint=hint)

    def fields(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a row; columns that are no field are left out, and remembered."""
        found = dict(self._constants)
        for theirs, value in row.items():
            ours = self._renames.get(theirs)
            if ours is not None:
                found[ours] = value
            elif theirs in self._known and theirs not in self._given:
                found[theirs] = value
            else:
                self._left_out.add(theirs)
        return found

    def notes(self) -> list[str]:
        """What a person should know: columns that were not taken."""
        if not self._left_out:
            return []
        names = sorted(self._left_out)
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        return [f"columns left out, because they are no field: {', '.join(names[:SHOWN])}{more}"]

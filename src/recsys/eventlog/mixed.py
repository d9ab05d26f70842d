"""Exposure logs whose lines are ``exposure.v1``, ``service_v1``, or now one and now the other.

A block of lines is tried as a whole in the format that the block before it had, then in the other one; so a log of one
format takes the fast pass of that format. Only where both fail are its lines told apart. From the first line of
``service_v1`` on, what is valid goes to another file, those lines converted.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

from recsys.contracts.types import MAX_LINE_BYTES
from recsys.eventlog.checks import RecordChecker, record_checker
from recsys.eventlog.convert import converted_lines
from recsys.eventlog.reader import temporary

EXPOSURE, SERVICE = "exposure.v1", "service_v1"
_MARK = b'"schema_version"'
"""The key that lines of ``service_v1`` must have. Others may have it inside, so it is a guess and no proof."""


class MixedChecker(ExitStack):
    """The check of blocks of both formats, in the order of a file.

    ``target``: the file for valid lines, made with the first block that has one of ``service_v1``. It is whole when the
    context ends. StorageError where there is no room for it. ``scores``: see ``converted_lines``.
    """

    def __init__(self, target: Path, *, scores: bool = False) -> None:
        super().__init__()
        self._scores = scores
        self._target = target
        self._exposure = record_checker(EXPOSURE)
        self._service = record_checker(SERVICE)
        self._likely = [self._exposure, self._service]
        self._write = None

    @property
    def begun(self) -> bool:
        """Whether a line of ``service_v1`` was there: all valid lines since the block that had it are in ``target``."""
        return self._write is not None

    def __call__(self, block: bytes) -> list[int]:
        """The positions of the lines of the block that are valid in neither format."""
        lines = block.split(b"\n")
        for check in self._likely:
            if (records := check.sound(block, lines)) is not None:
                break
        else:
            return self._told_apart(lines)
        if check is not self._likely[0]:
            self._likely.reverse()
        if check is self._service:
            self._pass_on(converted_lines(records, scores=self._scores))
        elif self.begun:
            self._pass_on(block + b"\n")
        return []

    def _told_apart(self, lines: list[bytes]) -> list[int]:
        marked = [place for place, line in enumerate(lines) if _MARK in line]
        others = [place for place, line in enumerate(lines) if _MARK not in line] if marked else list(range(len(lines)))
        not_service = self._bad(self._service, lines, marked)
        not_exposure = self._bad(self._exposure, lines, others)
        misjudged = {place for place in not_exposure if self._service.is_valid(lines[place])}
        bad = {place for place in not_service if not self._exposure.is_valid(lines[place])}
        bad |= set(not_exposure) - misjudged
        service = sorted(set(marked) - set(not_service) | misjudged)
        if service or self.begun:
            records = (self._service.decode(lines[place]) for place in service)
            converted = converted_lines(records, scores=self._scores)
            spelt = dict(zip(service, converted.split(b"\n"), strict=False))  # behind the last newline is nothing
            valid = (spelt.get(place, line) + b"\n" for place, line in enumerate(lines) if place not in bad)
            self._pass_on(b"".join(valid))
        return sorted(bad)

    def _bad(self, check: RecordChecker, lines: list[bytes], places: list[int]) -> list[int]:
        if not places:
            return []
        chosen = [lines[place] for place in places]
        bad = check.bad(chosen) if len(chosen) == len(lines) else check(b"\n".join(chosen))
        return [places[index] for index in bad]

    def _pass_on(self, valid: bytes) -> None:
        if self._write is None:
            self._write = self.enter_context(temporary(self._target))
        self._write(valid)


def looks_like(line: bytes) -> str:
    """The format that a line, valid or not, was most likely meant to have."""
    if len(line) > MAX_LINE_BYTES:
        return EXPOSURE
    try:
        keys = json.loads(line.decode(errors="replace"))
    except (ValueError, RecursionError):
        return SERVICE if _MARK in line else EXPOSURE
    if not isinstance(keys, dict):
        return EXPOSURE
    return SERVICE if "schema_version" in keys or ("timestamp" in keys and "ts" not in keys) else EXPOSURE

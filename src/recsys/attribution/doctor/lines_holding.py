"""Where a context value stands: the places of a few of its lines, for no relation holds all context keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.symptoms import Log, Place
from recsys.attribution.sources import Accepted
from recsys.attribution.trace.scan import blocks
from recsys.attribution.trace.spelling import MANY, lines_with, needles

FEW = 3


class _Row(msgspec.Struct, frozen=True, gc=False):
    context: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


_row = msgspec.json.Decoder(_Row).decode


def places_holding(case: Case, log: Log, key: str | None, values: Sequence[str] | None) -> frozenset[Place]:
    """The places of the first few lines of a JSONL log whose context has one of ``values`` (None: any) at ``key``
    (None: at any); none of Parquet."""
    files: Accepted | None = getattr(case.joined.dataset, log)
    if files is None or files.kind != "jsonl":
        return frozenset()
    return frozenset(islice(_places(files, key, None if values is None else values[:MANY]), FEW))


def _places(log: Accepted, key: str | None, values: Sequence[str] | None) -> Iterator[Place]:
    sought = needles(values if values is not None else [] if key is None else [key])
    wanted = None if values is None else set(values)
    for path, origin, size in zip(log.paths, log.origins, log.sizes, strict=True):
        line = 1
        with path.open("rb", buffering=0) as file:
            for _, block in blocks(0, size, size, file):
                at = 0
                for start, end in lines_with(block, sought):
                    line, at = line + block.count(b"\n", at, start), start
                    if _holds(block[start:end], key, wanted):
                        yield Place(origin.file, origin.line(line))
                line += block.count(b"\n", at)


def _holds(line: bytes, key: str | None, wanted: set[str] | None) -> bool:
    context = _row(line).context
    if isinstance(context, msgspec.UnsetType):
        return False
    there = list(context.values()) if key is None else [context[key]] if key in context else []
    return any(wanted is None or value in wanted for value in there)

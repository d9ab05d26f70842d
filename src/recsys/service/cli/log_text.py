"""What the ``log`` commands print: lines for people, JSON for programs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from recsys.eventlog.audit.status import Status, merged
from recsys.eventlog.audit.verify import Checked, Fault
from recsys.eventlog.writing.index import Gap
from recsys.text import printable


class Verified(Struct, frozen=True, kw_only=True):
    """All files of a log, compared. ``bytes`` are of their content, unpacked."""

    log: str
    path: str
    files: int
    lines: int
    bytes: int
    writers: list[str]
    gaps: list[Gap]
    erased: int
    faults: list[Fault]
    notes: list[str]

    @classmethod
    def of(cls, log: str, path: str, checked: Sequence[Checked]) -> Verified:
        """The sum of what was found file by file."""
        return cls(
            log=log, path=path, files=sum(Path(each.file).exists() for each in checked),
            lines=sum(each.lines for each in checked), bytes=sum(each.bytes for each in checked),
            writers=sorted({name for each in checked for name in each.writers}),
            gaps=merged(gap for each in checked for gap in each.gaps), erased=sum(each.erased for each in checked),
            faults=[fault for each in checked for fault in each.faults],
            notes=[f"{each.file}: {note}" for each in checked for note in each.notes],
        )  # fmt: skip


def verified(found: Verified) -> str:
    """Each fault, each note, each gap, then the sum."""
    gaps = sum(gap.count for gap in found.gaps)
    told = [
        *map(str, found.faults),
        *(f"{note} (a note)" for note in found.notes),
        *(f"{found.log} log: gap: {gap_text(gap)}" for gap in found.gaps),
    ]
    parts = [
        counted(len(found.faults), "fault"),
        counted(found.files, "file"),
        counted(found.lines, "line"),
        counted(found.bytes, "byte"),
        counted(len(found.writers), "writer"),
        counted(len(found.gaps), "gap") + (f" of {counted(gaps, 'record')}" if gaps else ""),
        f"{counted(found.erased, 'line')} erased",
    ]
    return "".join(f"{printable(line)}\n" for line in [*told, f"{found.log} log {found.path}: {', '.join(parts)}"])


def counted(number: int, word: str) -> str:
    """A number with its word: 1 line, 2 lines."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def gap_text(gap: Gap) -> str:
    """A gap in words."""
    kinds = [(gap.lost, "lost"), (gap.refused, "refused")]
    told = " and ".join(f"{counted(number, 'record')} {kind}" for number, kind in kinds if number)
    return f"{told or 'no record lost'} from {instant(gap.first)} to {instant(gap.last)}: {gap.reason}"


def instant(time: datetime | None) -> str:
    """A time to the second; "-" where there is none."""
    return "-" if time is None else f"{time:%Y-%m-%dT%H:%M:%SZ}"


def table(found: Sequence[Status]) -> str:
    """The state of each log as a short table."""
    out = io.StringIO()
    for each in found:
        rows = [
            ("files", _files(each)),
            ("lines", f"{each.lines:,}" + ("" if each.rate is None else f" ({each.rate:,.1f} a second)")),
            ("bytes", f"{each.bytes:,} ({each.free:,} free on the disk)"),
            ("first", instant(each.first)),
            ("last", instant(each.last)),
            *((f"writer {name}", f"last wrote {instant(time)}") for name, time in each.writers.items()),
            *(("gap", gap_text(gap)) for gap in each.gaps),
            *(("torn", name) for name in each.torn),
        ]  # fmt: skip
        width = max(len(name) for name, _ in rows)
        out.write(f"{each.log} log {each.path}\n")
        out.writelines(printable(f"  {name:<{width}}  {value}") + "\n" for name, value in rows)
    return out.getvalue()


def _files(found: Status) -> str:
    left = f"{found.left:,} left by dead writers, " if found.left else ""
    packed = f", {found.packed:,} of them packed" if found.packed else ""
    return f"{found.open:,} open, {left}{found.sealed:,} closed{packed}"


def as_json(found: Any) -> str:
    """JSON, indented; paths are texts."""
    plain = msgspec.to_builtins(found, enc_hook=str)
    return msgspec.json.format(msgspec.json.encode(plain), indent=2).decode() + "\n"

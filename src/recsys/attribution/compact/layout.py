"""Where things are in a compacted folder.

``exposures/tenant_id=demo/surface=home/day=2026-02-05/part-<batch>-<place>.parquet``, the same for outcomes and
assignments; ``_compacted.json`` tells what was read and what came of it; ``_invalid/`` holds the lines that are not
valid; ``_compacting/`` is there while a run is, or after one that was cut off. Names that begin with ``_`` are no data.
"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote

import msgspec

MANIFEST = "_compacted.json"
INVALID = "_invalid"
WORK = "_compacting"
UNKNOWN = "__unknown__"
"""Stands for a key that the context does not have."""
KEYS = ("tenant_id", "surface")
"""The keys of the context that are folders; the day (UTC) is the last one."""
DEPTH = len(KEYS) + 3
"""How many levels a part is below the compacted folder."""

MAX_NAME = 100
_HEAD = 60
_KEPT = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")
_PART = re.compile(r"part-[0-9a-f]{16}-[0-9a-f]{16}\.parquet")
_DAY = re.compile(r"day=(\d{4}-\d{2}-\d{2})")


def escaped(value: str | None) -> str:
    """A file name for any text, another one for each: what is no letter, digit, ``_``, ``-`` or ``.`` is
    percent-encoded as UTF-8, and what is long ends in a hash of the whole. None, where there is no text, is
    ``__unknown__``.
    """
    if value is None:
        return UNKNOWN
    name = _encoded(value)
    if name.startswith("__"):  # is kept for what is no value
        name = f"%5F{name[1:]}"
    if len(name) <= MAX_NAME:
        return name
    head = _encoded(value[:_HEAD])
    while len(head) > _HEAD:  # by whole characters
        head = _encoded(value[: len(unquote(head)) - 1])
    return f"{head}~{sha256(value.encode()).hexdigest()[:32]}"


def _encoded(value: str) -> str:
    return "".join(chr(byte) if byte in _KEPT else f"%{byte:02X}" for byte in value.encode())


def part_path(role: str, values: tuple[str | None, ...], day: str, batch: str) -> str:
    """Where the rows of one tenant, surface and day from one batch are, below the compacted folder.

    The name differs by place too: where a file system takes ``Demo`` and ``demo`` for one folder, both parts stay.
    """
    folders = [f"{key}={escaped(value)}" for key, value in zip(KEYS, values, strict=True)] + [f"day={day}"]
    place = sha256(msgspec.json.encode([*values, day])).hexdigest()[:16]
    return "/".join([role, *folders, f"part-{batch}-{place}.parquet"])


def is_part(path: Path) -> bool:
    """Whether a file has the name of a part."""
    return _PART.fullmatch(path.name) is not None


def day_of(part: str) -> str:
    """The day, such as ``2026-02-05``, of the path of a part; "" where it has none."""
    found = _DAY.search(part)
    return "" if found is None else found[1]


def invalid_path(role: str, batch: str) -> str:
    """Where the lines of a batch that are not valid are kept, below the compacted folder."""
    return f"{INVALID}/{role}/{batch}.jsonl"

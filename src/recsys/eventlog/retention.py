"""Names of the files in a log folder, and which of them are old enough to go."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path


def segment_name(log: str, day: date, writer: str) -> str:
    """The file of one writer and one UTC day: ``exposure-2026-02-05.<writer>.jsonl``."""
    return f"{log}-{day.isoformat()}.{writer}.jsonl"


def expired(folder: Path, log: str, *, today: date, keep_days: int) -> list[Path]:
    """The files of this log, and of no other, whose day is more than ``keep_days`` before ``today``."""
    pattern = re.compile(rf"{re.escape(log)}-(\d{{4}}-\d{{2}}-\d{{2}})\.[A-Za-z0-9_-]+\.jsonl(\.torn)?")
    oldest_kept = today - timedelta(days=keep_days)
    old = []
    for path in sorted(folder.iterdir()):
        found = pattern.fullmatch(path.name)
        if found and path.is_file() and _day(found[1]) < oldest_kept:
            old.append(path)
    return old


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return date.max  # not a day, so not a name of ours: it stays

"""Logs that a query gives: its rows become files, which are then checked as any other log."""

from __future__ import annotations

import hashlib
from pathlib import Path

ALIAS = "log"
"""The name under which a query is asked as a whole. No log has a column of this name."""


def named(source: str, role: str, query: str) -> str:
    """How a report names the rows of a query: where they come from, as what, and which query it was (the beginning of
    the SHA-256 of its text)."""
    return f"{source}#{role}-{hashlib.sha256(query.encode()).hexdigest()[:12]}"


def in_brackets(query: str) -> str:
    """A query as a part of another one: without the semicolon behind it, and with a comment at its end closed."""
    return f"(\n{query.rstrip().rstrip(';')}\n) AS {ALIAS}"


def database_of(name: str) -> Path:
    """The file of ``named`` where its source is one; else a path where nothing is."""
    return Path(name.rpartition("#")[0])

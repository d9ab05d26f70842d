"""How the rows of a query are named, where a file would be named by its path."""

from __future__ import annotations

import hashlib
import re

_NAME = re.compile(r"(.+):[a-z]+#[0-9a-f]{12}")


def name_of(source: str, role: str, query: str) -> str:
    """``postgres:outcomes#3f2a…``: where the rows come from, as what, and which query it was (the beginning of the
    SHA-256 of its text)."""
    return f"{source}:{role}#{hashlib.sha256(query.encode()).hexdigest()[:12]}"


def source_of(name: str) -> str:
    """The source of ``name_of``; any other name is its own."""
    found = _NAME.fullmatch(name)
    return name if found is None else found[1]

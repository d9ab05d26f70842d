"""Logs that a query gives: its rows become files, which are then checked as any other log."""

from __future__ import annotations


def in_brackets(query: str) -> str:
    """A query as a part of another one, called ``log``: without the semicolon behind it, and with a comment at its end
    closed."""
    return f"(\n{query.rstrip().rstrip(';')}\n) AS log"

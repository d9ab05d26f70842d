"""What PostgreSQL answers when it refuses, told without what must not be shown.

The client quotes parts of the connection string in its messages (of one that is spelt wrongly, parts of the password),
and the server quotes values of rows. So a message of a failed connection is recognised and never repeated, and one of a
failed query is repeated only where it is about the query.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from recsys.errors import InputError, StorageError

if TYPE_CHECKING:
    from psycopg import Error

ABOUT_THE_QUERY = ("0A", "25", "42", "53", "54", "55", "57")
"""Classes of errors whose messages hold words of the query and names of the database, and no values."""
ENDED = ("08", "57P")
_CONNECTING = (
    ("password authentication failed|no password supplied", "the user or the password is not accepted"),
    ("Connection refused", "nothing listens there"),
    ("could not translate host name|could not resolve|Name or service not known", "the host is not known"),
    ("timeout expired|timed out", "no answer in time"),
    ('database ".*" does not exist', "there is no such database"),
    ('role ".*" does not exist', "there is no such user"),
    ("no pg_hba.conf entry", "the server lets this user or this machine in nowhere"),
    ("No such file or directory", "no server has a socket there"),
    ("too many (clients|connections)|remaining connection slots", "the server has too many connections"),
    ("starting up|shutting down|recovery mode", "the server is just starting or ending"),
    ("SSL|certificate", "no encrypted connection can be made as it is asked for"),
    ("invalid (port|integer|sslmode|connection option|value)", "a part of the connection string is not valid"),
)


def unreachable(error: Error, where: str) -> StorageError:
    """Why there is no connection."""
    text = str(error)
    known = (told for pattern, told in _CONNECTING if re.search(pattern, text))
    found = next(known, "the server refuses, or something else does not fit")
    hint = "Check the dsn; with the same one, psql shows the message as it is, which may hold parts of it."
    return StorageError("PostgreSQL cannot be reached", where=where, found=found, hint=hint)


def refusal(error: Error, where: str, query: str, before: int) -> InputError | StorageError:
    """Why a query gives no rows, and where in it, as far as the server says so."""
    if not error.sqlstate or error.sqlstate.startswith(ENDED):
        hint = "The server, or a proxy before it, has ended it: look at its log."
        return StorageError("the connection to PostgreSQL was lost", where=where, hint=hint)
    if not error.sqlstate.startswith(ABOUT_THE_QUERY):
        hint = "The message may hold values of rows and is not shown: ask the query in psql."
        return InputError("the query fails", where=where, found=_in_words(error), hint=hint)
    place = _place(int(error.diag.statement_position or 0) - before, query)
    found = f"{error.diag.message_primary}{place}"
    return InputError("the query fails", where=where, found=found, hint=error.diag.message_hint or "")


def _place(position: int, query: str) -> str:
    """The 1-based ``position`` of a character as line and column; nothing where it is not in the query."""
    if not 1 <= position <= len(query):
        return ""
    begun = query[: position - 1]
    return f", line {begun.count(chr(10)) + 1}, column {position - (begun.rfind(chr(10)) + 1)} of the query"


def _in_words(error: Error) -> str:
    """``DivisionByZero`` → "division by zero"; a class that has no name by its code."""
    words = re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__).lower()
    return words if error.sqlstate and type(error).sqlstate == error.sqlstate else f"error {error.sqlstate}"

"""Rows of the table of settings, and how the text of a variable is read.

A reader takes the variable's name and its text, and raises a ConfigError that names the variable.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from recsys.errors import ConfigError

# What libpq reads as the URL of one or several hosts; an unescaped password, which it would cut wrongly, is refused.
_BYTE = r"%(?!00)[0-9A-Fa-f]{2}"
_TEXT = rf"(?:[^@:/?#%\s]|{_BYTE})*"
_HOST = rf"(?:\[[0-9a-fA-F:.%]+\]|(?:[^@:/?#\[\],%\s]|{_BYTE})*)(?::\d+)?"
_DATABASE_URL = re.compile(
    rf"postgres(?:ql)?://(?:{_TEXT}(?::{_TEXT})?@)?{_HOST}(?:,{_HOST})*(?:/{_TEXT})?(?:\?(?:[^%#\s]|{_BYTE})*)?",
    re.ASCII,
)
_PORT = re.compile(r"[0-9]{1,5}\Z")
_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


@dataclass(frozen=True)
class Variable:
    """One row of the table: how its text is read, its default as text, and what it means. ``secret`` is never shown."""

    name: str
    read: Callable[[str, str], Any]
    default: str | None
    meaning: str
    kind: str
    secret: bool = False


def _fault(name: str, found: str, expected: str) -> ConfigError:
    return ConfigError("the setting cannot be used", where=name, found=repr(found[:60]), expected=expected)


def text(name: str, given: str) -> str:  # noqa: ARG001 - all readers look alike
    """The text as it is."""
    return given


def boolean(name: str, given: str) -> bool:
    """true or false, and the usual other words for them."""
    word = given.strip().lower()
    if word not in _BOOLEANS:
        raise _fault(name, given, "true or false")
    return _BOOLEANS[word]


def one_of(*allowed: str) -> Callable[[str, str], str]:
    """A reader of one of these words, in any case."""

    def read(name: str, given: str) -> str:
        word = given.strip().lower()
        if word not in allowed:
            raise _fault(name, given, f"one of {', '.join(allowed)}")
        return word

    return read


def whole(low: int, high: int) -> Callable[[str, str], int]:
    """A reader of whole numbers, bounds included."""
    return _number(int, low, high, f"a whole number from {low} to {high}")


def decimal(low: float, high: float) -> Callable[[str, str], float]:
    """A reader of finite numbers, bounds included."""
    return _number(float, low, high, f"a number from {low:g} to {high:g}")


def _number(kind: Callable[[str], Any], low: float, high: float, expected: str) -> Callable[[str, str], Any]:
    def read(name: str, given: str) -> Any:
        try:
            value = kind(given)
        except ValueError:
            raise _fault(name, given, expected) from None
        if not low <= value <= high:
            raise _fault(name, given, expected)
        return value

    return read


def address(name: str, given: str) -> tuple[str, int]:
    """host:port; no host means every interface."""
    host, colon, port = given.strip().rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not _PORT.match(port) or int(port) > 65_535 or (":" in host and not bracketed):
        raise _fault(name, given, "host:port, such as 127.0.0.1:8000 or [::1]:8000")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - ":8000" means every interface, as the operator wrote


def names(name: str, given: str) -> tuple[str, ...]:
    """Distinct names, separated by commas."""
    found = tuple(word.strip() for word in given.split(",") if word.strip())
    if len(set(found)) != len(found):
        raise _fault(name, given, "distinct names, separated by commas")
    return found


def database_url(name: str, given: str) -> str:
    """The text, if libpq would read it; nothing of it is shown, because it may hold a password."""
    found = given.strip()
    if not _DATABASE_URL.fullmatch(found):
        raise ConfigError(
            "the setting cannot be used", where=name, expected="postgresql://user:password@host:port/database",
            hint="In the user and the password, write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23 and % as %25.",
        )  # fmt: skip
    return found

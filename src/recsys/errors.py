"""The error tree of the suite. Every error has a stable code and says what to do next.

::

    RecsysError                    RECSYS_INTERNAL            anything a program reports at its edge
    ├── UsageError                 RECSYS_USAGE               the command line asks for what cannot be
    ├── ConfigError                RECSYS_CONFIG              a setting or YAML value cannot be used
    ├── InputError                 RECSYS_INPUT               a file or a log cannot be read as what it should be
    ├── StorageError               RECSYS_STORAGE             a database, disk or folder does not answer as it should
    └── RequestError               (given)                    an HTTP request is refused: carries its status

Programs turn them into an exit status (``evaluation.cli``, ``service.cli``) or into problem details
(``service.http.problems``) at their edge, and nowhere else. Faults of single log lines are not exceptions:
they are values (``eventlog.validation.Fault``).
"""

from __future__ import annotations

__all__ = [
    "ConfigError",
    "InputError",
    "RecsysError",
    "RequestError",
    "StorageError",
    "UsageError",
    "nearest",
]


class RecsysError(Exception):
    """A problem told to a person: what is wrong, where, what was found, what was expected, what to do.

    ``str(error)`` joins the parts that are given into one line, without a traceback and without secrets.
    """

    code = "RECSYS_INTERNAL"

    def __init__(self, problem: str, *, where: str = "", found: str = "", expected: str = "", hint: str = "") -> None:
        self.problem = problem
        self.where = where
        self.found = found
        self.expected = expected
        self.hint = hint
        super().__init__(str(self))

    def __str__(self) -> str:
        detail = "; ".join(
            f"{word} {value}" for word, value in (("found", self.found), ("expected", self.expected)) if value
        )
        parts = [f"{self.where}: {self.problem}" if self.where else self.problem]
        if detail:
            parts.append(f" ({detail})")
        if self.hint:
            parts.append(f". {self.hint}")
        return "".join(parts)


class UsageError(RecsysError):
    """The command line asks for something that cannot be done."""

    code = "RECSYS_USAGE"


class ConfigError(RecsysError):
    """A setting, or a value of a configuration file, cannot be used; ``where`` names it."""

    code = "RECSYS_CONFIG"


class InputError(RecsysError):
    """A file cannot be read as what it should be; ``where`` names the file."""

    code = "RECSYS_INPUT"


class StorageError(RecsysError):
    """A database, a disk or a folder does not answer as it should."""

    code = "RECSYS_STORAGE"


class RequestError(RecsysError):
    """An HTTP request is refused with ``status`` (4xx or 5xx) and the stable ``code`` of the API."""

    def __init__(
        self,
        status: int,
        code: str,
        problem: str,
        *,
        where: str = "",
        hint: str = "",
        retry_after: int | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.retry_after = retry_after
        super().__init__(problem, where=where, hint=hint)


def nearest(name: str, known: list[str] | tuple[str, ...]) -> str:
    """A hint that names the known word closest to ``name``, in any case, or lists them all where none is close."""
    from difflib import get_close_matches

    plain = {word.casefold(): word for word in known}
    close = get_close_matches(name.casefold(), list(plain), n=1, cutoff=0.6)
    return f"Did you mean {plain[close[0]]!r}?" if close else f"Known: {', '.join(sorted(known))}."

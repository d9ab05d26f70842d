"""Environment variables in text that people write: how a secret comes into a program without standing in a file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from recsys.errors import ConfigError

_VARIABLE = re.compile(r"\$\{([^}]*)\}?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Secret(str):
    """Text that is not shown where values are: in a traceback, in a failing test, in a log."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'…'"


def expanded(text: str, *, where: str, environ: Mapping[str, str] = os.environ) -> Secret:
    """``text`` with the value of the environment variable in place of each ``${NAME}``; other dollar signs stay.

    ConfigError, which shows no value, names a variable that is not set or is empty.
    """

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if not _NAME.fullmatch(name) or not found[0].endswith("}"):
            raise ConfigError("not a variable", where=where, expected="${NAME}: letters, digits and underscores")
        if not environ.get(name):
            hint = f"Set it in the environment of this command: export {name}=…"
            raise ConfigError(f"the environment variable {name} is not set", where=where, hint=hint)
        return environ[name]

    return Secret(_VARIABLE.sub(value, text))

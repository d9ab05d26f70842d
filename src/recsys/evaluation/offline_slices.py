"""What offline metrics are sliced by."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from recsys.contracts.report import Estimate


class Slice(NamedTuple):
    """A slice key with the column, or two columns and ``*`` between them, that hold its values; "" and None stand for
    all exposures. ``values``: those that are reported; ``cut``: whether there are more."""

    key: str
    column: str | None
    values: tuple[str, ...]
    cut: bool

    @property
    def columns(self) -> list[str]:
        """The columns that it reads."""
        return self.column.split("*") if self.column else []


Add = Callable[[str, str, str, Estimate], None]
"""Takes the estimate of a metric in a slice: name, key, value, estimate."""


def columns_of(slices: list[Slice]) -> list[str]:
    """All columns that are read, each once."""
    return list(dict.fromkeys(column for each in slices for column in each.columns))

"""Where the relations are computed: one small port, an embedded engine behind it and one for clusters.

All queries are written in DuckDB's dialect; an engine that speaks another one translates them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy.typing as npt

    from recsys.attribution.sources import Accepted

NO_ALIASES: Mapping[str, str] = MappingProxyType({})
BATCH_ROWS = 100_000


class Engine(Protocol):
    """Holds tables and answers queries. Values come back as Python's own: text, int, float, bool, list, None.

    Any method may raise StorageError (memory or disk ran out) or InputError (the logs cannot be read).
    """

    def stage(
        self,
        exposures: Accepted,
        outcomes: Accepted,
        assignments: Accepted | None,
        slice_keys: Sequence[str],
        aliases: Mapping[str, str] = NO_ALIASES,
    ) -> None:
        """Make the staged tables of the logs, anew where they are there already."""
        ...

    def stage_propensities(self, name: str, exposures: Accepted) -> None:
        """Make the table ``name`` of the propensities of exposures: one row per exposure row, with ``request_id``,
        ``ts_us``, ``n_items``, those with a propensity ``n_known``, with one of 0 ``n_zero``, with two that differ
        ``n_differing``, and the number and the sum (in units of 2⁻²⁰) of target ÷ logging, ``n_ratios``, ``ratios``."""
        ...

    def stage_item_propensities(self, name: str, exposures: Accepted) -> None:
        """Make the table ``name`` of the items of exposures: one row per item of each exposure row, with
        ``request_id``, ``item_id``, ``rank`` as it is logged, ``propensity`` (else ``logging_propensity``), and
        ``kind``, the context's ``propensity_kind``; NULL where absent."""
        ...

    def load(self, name: str, types: Mapping[str, str], rows: Iterable[tuple[Any, ...]]) -> None:
        """Make the table ``name`` of these rows, anew where it is there already; ``types``: column → SQL type."""
        ...

    def load_parquet(self, name: str, path: Path) -> None:
        """Make the table ``name`` of a Parquet file, anew where it is there already."""
        ...

    def create(self, name: str, query: str, *, view: bool = False) -> None:
        """Make the table, or the view, ``name`` of what ``query`` gives, anew where it is there already."""
        ...

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """All rows of a query whose result is small."""
        ...

    def batches(self, query: str, size: int = BATCH_ROWS) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a query, ``size`` at a time, in memory that does not grow with them."""
        ...

    def columns(self, query: str) -> dict[str, npt.NDArray[Any]]:
        """The result of a query by column: text as objects, numbers and truth values as such."""
        ...

    def stage_contexts(self, name: str, role: str, log: Accepted) -> None:
        """Make the table ``name`` of what stands in the contexts of a log: one row per (key, value), with its rows
        ``n``."""
        ...

    def write_parquet(self, query: str, path: Path) -> None:
        """Write what ``query`` gives, in its order, to one Parquet file."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...

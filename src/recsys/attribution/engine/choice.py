"""Which engine computes, as a person chooses it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from msgspec import Struct

from recsys.attribution.engine import Engine
from recsys.errors import UsageError, nearest

ENGINES = ("duckdb",)
DEFAULT_MEMORY = "2GB"


class EngineChoice(Struct, frozen=True, kw_only=True):
    """``memory_limit``: what DuckDB may hold before it uses the disk, such as ``2GB``; ``threads``: None for all
    cores."""

    name: str = "duckdb"
    memory_limit: str = DEFAULT_MEMORY
    threads: int | None = None


@contextmanager
def opened(choice: EngineChoice, scratch: Path) -> Iterator[Engine]:
    """The engine, until the end of the block. ``scratch`` is a folder for what does not fit in memory."""
    if choice.name not in ENGINES:
        raise UsageError("no such engine", where="--engine", found=choice.name, hint=nearest(choice.name, ENGINES))
    from recsys.attribution.engine.duckdb import DuckDB

    with closing(DuckDB(scratch, memory_limit=choice.memory_limit, threads=choice.threads)) as engine:
        yield engine

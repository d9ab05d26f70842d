"""Which engine computes, as a person chooses it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from msgspec import Struct

from recsys.attribution.engine import Engine
from recsys.errors import UsageError, nearest

ENGINES = ("duckdb", "spark")
DEFAULT_MEMORY = "1500MB"
"""With what DuckDB does not count, an evaluation of 10 million exposures then stays under 2 GB."""
SPARK_MEMORY = "2GB"
LOCAL_MASTER = "local[*]"
LEAST_MEMORY = {"duckdb": 100 << 20, "spark": 512 << 20}
"""In bytes: below it DuckDB has no room for one row group and thread, and Spark's driver does not start."""
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT])(I?)B", re.IGNORECASE)


class EngineChoice(Struct, frozen=True, kw_only=True):
    """``memory_limit``: what DuckDB may hold before it uses the disk, or Spark's driver at all, such as ``2GB``;
    ``threads``: of DuckDB, None for all cores; ``master``: where Spark runs."""

    name: str = "duckdb"
    memory_limit: str = DEFAULT_MEMORY
    threads: int | None = None
    master: str = LOCAL_MASTER


def chosen(
    name: str | None = None,
    *,
    master: str | None = None,
    memory_limit: str | None = None,
    threads: int | None = None,
) -> EngineChoice:
    """The choice that options make, None for those that are not given. UsageError for an engine that there is not, a
    size that is none, and options that the engine does not have."""
    engine = "duckdb" if name is None else name
    if engine not in ENGINES:
        raise UsageError("no such engine", where="--engine", found=engine, hint=nearest(engine, ENGINES))
    if master is not None and engine != "spark":
        hint = "Give --engine spark too, or leave it out."
        raise UsageError("only Spark has a master", where="--master", found=master, hint=hint)
    if threads is not None and engine != "duckdb":
        hint = f"Say it in the master, such as --master local[{threads}]."
        raise UsageError("only DuckDB is told its threads", where="--threads", found=str(threads), hint=hint)
    usual = SPARK_MEMORY if engine == "spark" else DEFAULT_MEMORY
    memory = usual if memory_limit is None else memory_limit
    least = LEAST_MEMORY[engine]
    if size(memory) < least:
        expected = f"{least >> 20}MiB or more"
        raise UsageError("too little memory", where="--memory-limit", found=memory, expected=expected)
    return EngineChoice(name=engine, memory_limit=memory, threads=threads, master=master or LOCAL_MASTER)


def size(text: str) -> int:
    """Bytes of a size such as ``1GB`` (10⁹) or ``512MiB`` (2²⁰ each); UsageError else."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError("not a size", where="--memory-limit", found=text[:40], expected="a size such as 1GB or 512MiB")
    base = 1024 if match[3] else 1000
    return int(float(match[1]) * base ** ("KMGT".index(match[2].upper()) + 1))


@contextmanager
def opened(choice: EngineChoice, scratch: Path) -> Iterator[Engine]:
    """The engine, until the end of the block. ``scratch`` is a folder for what does not fit in memory."""
    with closing(_engine(choice, scratch)) as engine:
        yield engine


def _engine(choice: EngineChoice, scratch: Path) -> Engine:
    if choice.name == "spark":
        from recsys.attribution.engine.spark import Spark

        return Spark(scratch, master=choice.master, memory_mib=size(choice.memory_limit) >> 20)
    from recsys.attribution.engine.duckdb import DuckDB

    return DuckDB(scratch, memory_limit=choice.memory_limit, threads=choice.threads)

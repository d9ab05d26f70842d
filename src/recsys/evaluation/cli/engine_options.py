"""Options that say what computes, and with how much: for every command that joins logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from recsys.attribution.engine.choice import EngineChoice

PANEL = "Engine"


def _option(help: str) -> Any:
    return typer.Option(help=help, rich_help_panel=PANEL)


Engine = Annotated[
    str | None, _option("duckdb, or spark (pip install 'recsys-suite[spark]'; Java 17 or newer) [duckdb].")
]
Master = Annotated[
    str | None, _option("Where Spark runs: local[2], yarn, k8s://…, spark://host:7077 [local\\[*], all cores].")
]
MemoryLimit = Annotated[
    str | None,
    _option("What DuckDB holds before it uses the disk, or Spark's driver at all: 1GB, 512MiB [1500MB, 2GB]."),
]
Threads = Annotated[int | None, typer.Option(min=1, help="Of DuckDB [as many as cores].", rich_help_panel=PANEL)]
NAMES = ("engine", "master", "memory_limit", "threads")
"""The options that choose an engine, as parameters of a command."""


def chosen(engine: str | None, master: str | None, memory_limit: str | None, threads: int | None) -> EngineChoice:
    """The engine of the options, None for those that are not given; UsageError for what does not go together."""
    from recsys.attribution.engine import choice

    return choice.chosen(engine, master=master, memory_limit=memory_limit, threads=threads)

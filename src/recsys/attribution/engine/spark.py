"""Spark, the engine for clusters: the same relations, translated, over the same staged tables.

Each table is written to the scratch folder as Parquet and read from there, so that nothing is reckoned twice, and a row
keeps its number. On a cluster the scratch folder and the logs must be where every worker sees them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys.attribution.engine import BATCH_ROWS, NO_ALIASES, dialects, spark_staging
from recsys.attribution.engine.duckdb import DuckDB
from recsys.attribution.engine.parquet import rows_of
from recsys.attribution.engine.spark_logs import Logs, read_from, written_to
from recsys.attribution.engine.spark_session import Session, functions
from recsys.attribution.sources import Accepted

if TYPE_CHECKING:
    import numpy.typing as npt

SOURCE = "log_to_stage"
FILES_MEMORY = "1GB"
"""What reading a result from its files may take on the machine of the command."""


class Spark:
    """A Spark session whose tables live in ``scratch``; ``master`` is where it runs, ``memory_mib`` what its driver may
    hold, which on one machine is all of Spark."""

    def __init__(self, scratch: Path, *, master: str, memory_mib: int) -> None:
        self._scratch = scratch
        self._session = Session(scratch, master=master, memory_mib=memory_mib)
        self._spark = self._session.spark
        self._logs = Logs(self._spark, scratch)
        self._folders: dict[str, Path] = {}

    def stage(
        self,
        exposures: Accepted,
        outcomes: Accepted,
        assignments: Accepted | None,
        slice_keys: Sequence[str],
        aliases: Mapping[str, str] = NO_ALIASES,
    ) -> None:
        """Make the staged tables. A ``user_id`` that is a key of ``aliases`` is staged as its value."""
        if aliases:
            self.load("aliases", {"previous": "VARCHAR", "present": "VARCHAR"}, aliases.items())
        for role, log in (("exposures", exposures), ("outcomes", outcomes), ("assignments", assignments)):
            with self._session.told():
                if log is None:
                    nothing = self._spark.createDataFrame([], spark_staging.empty(f"staged_{role}"))
                    self._keep(f"staged_{role}", nothing)
                    continue
                frame = self._logs.typed(role, log)
                if aliases:
                    frame = spark_staging.named(frame, self._spark.table("aliases"), functions())
                own = spark_staging.OWN.get(role, {})
                spark_staging.sliced(frame, slice_keys, own, functions()).createOrReplaceTempView(SOURCE)
                self._keep(f"staged_{role}", self._spark.sql(spark_staging.QUERIES[role].format(source=SOURCE)))

    def stage_contexts(self, name: str, role: str, log: Accepted) -> None:
        """Make the table ``name`` of the contexts of a log: key, value, and in how many rows both stand."""
        self._stage_more(name, spark_staging.CONTEXTS, self._logs.typed(role, log))

    def stage_propensities(self, name: str, exposures: Accepted) -> None:
        """Make the table ``name`` of the propensities of exposures."""
        self._stage_more(name, spark_staging.PROPENSITIES, self._logs.propensities(exposures))

    def stage_item_propensities(self, name: str, exposures: Accepted) -> None:
        """Make the table ``name`` of the items of exposures with their propensities."""
        self._stage_more(name, spark_staging.ITEM_PROPENSITIES, self._logs.item_propensities(exposures))

    def _stage_more(self, name: str, query: str, log: Any) -> None:
        with self._session.told():
            log.createOrReplaceTempView(SOURCE)
            self._keep(name, self._spark.sql(query.format(source=SOURCE)))

    def load(self, name: str, types: Mapping[str, str], rows: Iterable[tuple[Any, ...]]) -> None:
        """Make the table ``name`` of these rows."""
        path = self._logs.new("rows")
        with closing(self._files()) as engine:
            engine.load(name, types, rows)
            engine.write_parquet(f"SELECT * FROM {name}", path)
        self.load_parquet(name, path)

    def load_parquet(self, name: str, path: Path) -> None:
        """Make the table ``name`` of a Parquet file."""
        with self._session.told():
            self._keep(name, self._spark.read.parquet(read_from(path)))

    def create(self, name: str, query: str, *, view: bool = False) -> None:
        """Make the table, or the view, ``name``."""
        with self._session.told():
            if view:  # by its text: it is looked up anew when it is asked, as the tables that it reads may be
                text = dialects.translated(query, "spark")
                self._spark.sql(f"CREATE OR REPLACE TEMPORARY VIEW {name} AS {text}")
            else:
                self._keep(name, self.frame(query))

    def _keep(self, name: str, frame: Any) -> None:
        """Write the frame, and let the name stand for what was written."""
        folder = self._logs.new(name)
        frame.write.parquet(written_to(folder))
        self._spark.read.schema(frame.schema).parquet(read_from(folder)).createOrReplaceTempView(name)
        previous = self._folders.pop(name, None)
        self._folders[name] = folder
        if previous is not None:
            shutil.rmtree(previous)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._session.told():
            return [tuple(map(_plain, row)) for row in self.frame(query).collect()]

    def frame(self, query: str) -> Any:
        """A query as a data frame of Spark's: nothing is computed yet."""
        return self._spark.sql(dialects.translated(query, "spark"))

    def batches(self, query: str, size: int = BATCH_ROWS) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a query, ``size`` at a time."""
        with closing(self._files()) as engine:
            for batch in engine.batches(self._written(query), size):
                yield [tuple(map(_plain, row)) for row in batch]

    def columns(self, query: str) -> dict[str, npt.NDArray[Any]]:
        """The result of a query by column."""
        with closing(self._files()) as engine:
            return engine.columns(self._written(query))

    def write_parquet(self, query: str, path: Path) -> None:
        """Write what ``query`` gives, in its order, to one Parquet file."""
        with closing(self._files()) as engine:
            engine.write_parquet(self._written(query), path)

    def _written(self, query: str) -> str:
        """A query, in DuckDB's words, of the files that Spark writes its answer to: in the order of their names."""
        folder = self._logs.new("answer")
        with self._session.told():
            self.frame(query).write.parquet(written_to(folder))
        return f"SELECT * FROM {rows_of(sorted(folder.glob('*.parquet')))}"

    def _files(self) -> DuckDB:
        """What reads and writes files on the machine of the command, in the order of their rows."""
        return DuckDB(self._scratch, memory_limit=FILES_MEMORY, in_order=True)

    def close(self) -> None:
        """End Spark."""
        self._session.close()


def _plain(value: Any) -> Any:
    """A value as Python's own: sums are whole numbers, instants those of UTC."""
    if isinstance(value, Decimal):
        return int(value)
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.astimezone()
    return list(value) if isinstance(value, tuple) else value

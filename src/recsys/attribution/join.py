"""The join: staged logs in, the relations out. What it finds of the logs themselves is in ``quality``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb as duckdb_library

from recsys.attribution.engine import duckdb
from recsys.attribution.policy import Policy
from recsys.attribution.sources import DEFAULT_SLICE_KEYS, MAX_SLICE_KEYS, Accepted, AcceptedDataset, as_checked
from recsys.errors import ConfigError, InputError, StorageError
from recsys.eventlog.whole import whole

ALWAYS_BY = ("day", "event_type")
"""What every description is broken down by, of the rows themselves: a slice key of that name would be mixed with it."""


@dataclass(frozen=True)
class Joined:
    """An engine that holds the relations ``exposures``, ``outcome_fates`` and ``relevant`` of ``dataset``.

    ``slice_n`` of a relation is the value of ``slice_keys[n-1]``, NULL where it is not known.
    """

    connection: Any
    dataset: AcceptedDataset
    policy: Policy
    slice_keys: tuple[str, ...]

    def close(self) -> None:
        """Let go of the engine and what it holds."""
        self.connection.close()


def join(
    dataset: AcceptedDataset,
    policy: Policy,
    *,
    scratch: Path,
    slice_keys: Sequence[str] = DEFAULT_SLICE_KEYS,
    memory_limit: str = duckdb.DEFAULT_MEMORY,
    threads: int | None = None,
) -> Joined:
    """Give every outcome row its fate. ``scratch`` is a folder for what does not fit within ``memory_limit``."""
    check_slice_keys(slice_keys)
    connection = duckdb.connect(scratch, memory_limit=memory_limit, threads=threads)
    try:
        _stage(connection, dataset, slice_keys, policy, scratch)
        for name in ("repeated_requests", "settled_exposures"):
            duckdb.create(connection, name)
        duckdb.create(connection, "exposures", view=True)
        for name in ("outcome_fates", "relevant", "joined_requests"):
            duckdb.create(connection, name)
    except duckdb_library.OutOfMemoryException as error:
        connection.close()
        raise StorageError(
            "the join ran out of memory or disk", where=str(scratch), found=str(error).splitlines()[0],
            hint="Free space in the temporary folder (TMPDIR), or give fewer days at a time.",
        ) from None  # fmt: skip
    except duckdb_library.Error as error:
        connection.close()
        raise InputError("the logs could not be staged", found=str(error).splitlines()[0]) from error
    return Joined(connection, dataset, policy, tuple(slice_keys))


def _stage(connection: Any, dataset: AcceptedDataset, slice_keys: Sequence[str], policy: Policy, scratch: Path) -> None:
    """Stage what was checked, and no more. An engine reads to the end of a file: where a log has grown while it was
    read, a copy of what was checked is staged in its place."""
    logs = (dataset.exposures, dataset.outcomes, dataset.assignments)
    try:
        duckdb.stage(connection, *logs, slice_keys, policy, dataset.aliases)
    except duckdb_library.Error:
        if not _changed(logs):
            raise
    if _changed(logs):
        assignments = None if dataset.assignments is None else as_checked(dataset.assignments, scratch)
        exposures, outcomes = as_checked(dataset.exposures, scratch), as_checked(dataset.outcomes, scratch)
        duckdb.stage(connection, exposures, outcomes, assignments, slice_keys, policy, dataset.aliases)


def _changed(logs: Iterable[Accepted | None]) -> bool:
    return any(log is not None and log.changed for log in logs)


def check_slice_keys(keys: Sequence[str]) -> None:
    """ConfigError for keys that are blank, repeated or more than 8, and for ``ALWAYS_BY``."""
    if len(keys) > MAX_SLICE_KEYS:
        raise ConfigError(
            "too many slice keys", where="slice_keys", found=str(len(keys)), expected=f"{MAX_SLICE_KEYS} at most"
        )
    for key in keys:
        if not key.strip() or keys.count(key) > 1:
            raise ConfigError("not a usable slice key", where="slice_keys", found=repr(key), expected="distinct words")
        if key in ALWAYS_BY:
            hint = f"Rates by {' and by '.join(ALWAYS_BY)} are given without being asked for."
            raise ConfigError("not a usable slice key", where="slice_keys", found=repr(key), hint=hint)


def write_parquet(joined: Joined, path: Path) -> int:
    """Write every valid outcome row with its fate to ``path``; returns the number of rows.

    The slice columns come last. A key that is another column's name too, in any case, gets a number: ``anonymous_1``.
    """
    names = ", ".join(
        f'slice_{number} AS "{key.replace(chr(34), chr(34) * 2)}"' if number <= len(joined.slice_keys) else ""
        for number, key in enumerate(joined.slice_keys, start=1)
    )
    unused = ", ".join(f"slice_{number}" for number in range(1, MAX_SLICE_KEYS + 1))
    extra = f", {names}" if names else ""
    rows = f"SELECT * EXCLUDE ({unused}){extra} FROM ({duckdb.relation('joined_outcomes')})"
    with whole(path) as part:
        try:
            joined.connection.execute("SET preserve_insertion_order = true")
            joined.connection.execute(
                f"COPY ({rows}) TO {duckdb.quoted(str(part))} (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)"
            )
        except duckdb_library.IOException as error:
            raise StorageError("cannot be written", where=str(path), found=str(error).splitlines()[0]) from None
    (count,) = joined.connection.execute("SELECT count(*) FROM outcome_fates").fetchone()
    return count

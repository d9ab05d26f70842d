"""The join: staged logs in, the relations out. What it finds of the logs themselves is in ``quality``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys.attribution import relations, shards
from recsys.attribution.columns import quoted
from recsys.attribution.engine import Engine
from recsys.attribution.policy import Policy
from recsys.attribution.slice_keys import ALWAYS_BY as ALWAYS_BY
from recsys.attribution.slice_keys import DEFAULT_SLICE_KEYS, MAX_SLICE_KEYS
from recsys.attribution.slice_keys import check_slice_keys as check_slice_keys
from recsys.attribution.sources import Accepted, AcceptedDataset, as_checked
from recsys.errors import InputError, StorageError
from recsys.eventlog.whole import whole


@dataclass(frozen=True)
class Joined:
    """An engine that holds the relations ``exposures``, ``outcome_fates`` and ``relevant`` of ``dataset``.

    ``slice_n`` of a relation is the value of ``slice_keys[n-1]``, NULL where it is not known. ``shard``: the part of
    the users that it holds, None for all; ``end_us``: then the last instant of the whole logs.
    """

    engine: Engine
    dataset: AcceptedDataset
    policy: Policy
    slice_keys: tuple[str, ...]
    shard: shards.Shard | None = None
    end_us: int | None = None

    def rows(self, name: str) -> list[tuple[Any, ...]]:
        """The rows of a relation that nobody else reads."""
        return self.engine.rows(relations.text(name))


def join(
    engine: Engine,
    dataset: AcceptedDataset,
    policy: Policy,
    *,
    scratch: Path,
    slice_keys: Sequence[str] = DEFAULT_SLICE_KEYS,
    shard: shards.Shard | None = None,
) -> Joined:
    """Give every outcome row its fate. ``scratch`` is a folder for copies of logs that grow while they are read;
    ``shard``: the part of the users that is looked at."""
    check_slice_keys(slice_keys)
    _stage(engine, dataset, slice_keys, scratch)
    end_us = None
    if shard is not None:
        end_us = shards.last_instant(engine)
        dataset = shards.cut(engine, dataset, shard)
    engine.load("policy", *policy.table())
    for name in relations.TABLES:
        engine.create(name, relations.text(name), view=name in relations.VIEWS)
    return Joined(engine, dataset, policy, tuple(slice_keys), shard, end_us)


def _stage(engine: Engine, dataset: AcceptedDataset, slice_keys: Sequence[str], scratch: Path) -> None:
    """Stage what was checked, and no more. An engine reads to the end of a file: where a log has grown while it was
    read, a copy of what was checked is staged in its place."""
    logs = (dataset.exposures, dataset.outcomes, dataset.assignments)
    try:
        engine.stage(*logs, slice_keys, dataset.aliases)
    except InputError:
        if not _changed(logs):
            raise
    if _changed(logs):
        assignments = None if dataset.assignments is None else as_checked(dataset.assignments, scratch)
        exposures, outcomes = as_checked(dataset.exposures, scratch), as_checked(dataset.outcomes, scratch)
        engine.stage(exposures, outcomes, assignments, slice_keys, dataset.aliases)


def _changed(logs: Iterable[Accepted | None]) -> bool:
    return any(log is not None and log.changed for log in logs)


def write_parquet(joined: Joined, path: Path) -> int:
    """Write every valid outcome row with its fate to ``path``; returns the number of rows.

    The slice columns come last. A key that is another column's name too, in any case, gets a number: ``anonymous_1``.
    """
    rows = _with_names_of_keys(joined, relations.text("joined_outcomes"))
    with whole(path) as part:
        try:
            joined.engine.write_parquet(rows, part)
        except StorageError as error:
            if error.where:  # not the file: memory, or the scratch folder
                raise
            raise StorageError("cannot be written", where=str(path), found=error.found) from None
    [(count,)] = joined.engine.rows("SELECT count(*) FROM outcome_fates")
    return count


def _with_names_of_keys(joined: Joined, query: str) -> str:
    """The query with its slice columns under the names of their keys, and without those that no key has."""
    slices = [f"slice_{number}" for number in range(1, MAX_SLICE_KEYS + 1)]
    columns = [name for name in joined.engine.columns(f"SELECT * FROM ({query}) AS o LIMIT 0") if name not in slices]
    taken = {name.casefold() for name in columns}
    for column, key in zip(slices, joined.slice_keys, strict=False):
        names = (key, *(f"{key}_{number}" for number in range(1, len(taken) + 1)))
        name = next(name for name in names if name.casefold() not in taken)
        taken.add(name.casefold())
        columns.append(f"{column} AS {quoted(name)}")
    return f"SELECT {', '.join(columns)} FROM ({query}) AS o"

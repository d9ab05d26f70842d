"""From the names of logs to their join: what every command that needs the join does first."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from recsys.attribution import sources
from recsys.attribution.engine.choice import EngineChoice, opened
from recsys.attribution.join import Joined, check_slice_keys, join
from recsys.attribution.policy import Policy
from recsys.attribution.shards import Shard
from recsys.eventlog.accept import SHOWN_FAULTS
from recsys.eventlog.validation import Progress

DEFAULT_ENGINE = EngineChoice()


@contextmanager
def joined_logs(
    dataset: sources.Dataset,
    policy: Policy,
    *,
    slice_keys: Sequence[str] = sources.DEFAULT_SLICE_KEYS,
    engine: EngineChoice = DEFAULT_ENGINE,
    max_faults: int = SHOWN_FAULTS,
    on_progress: Progress | None = None,
    shard: Shard | None = None,
) -> Iterator[Joined]:
    """Validate the logs, and join what is valid, or the part ``shard`` of the users. The join and its scratch files
    live until the end of the block."""
    check_slice_keys(slice_keys)
    with tempfile.TemporaryDirectory(prefix="recsys-") as name:
        scratch = Path(name)
        accepted = sources.accept_dataset(dataset, scratch, on_progress, max_faults=max_faults)
        with opened(engine, scratch) as running:
            yield join(running, accepted, policy, scratch=scratch, slice_keys=slice_keys, shard=shard)

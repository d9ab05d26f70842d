"""A function that writes logs, in whatever spelling and packing, and traces a request of them."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard

from recsys.attribution import sources
from recsys.attribution.policy import Policy
from recsys.attribution.trace.trace import Asked, trace

NOW = datetime(2026, 2, 7, tzinfo=UTC)


def write_lines(path: Path, lines) -> str:
    """Write lines (bytes, or rows to encode) to a file, packed as its name says."""
    content = b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    packed = {".gz": gzip.compress, ".zst": zstandard.compress}.get(path.suffix, bytes)
    path.write_bytes(packed(content))
    return str(path)


@pytest.fixture
def traced(tmp_path):
    """Traces a request of these lines; ``suffix`` packs the logs."""

    def of(request_id, exposures=(), outcomes=(), assignments=None, *, suffix="", policy=None, **asked):
        named = sources.from_options(
            [write_lines(tmp_path / f"exposures.jsonl{suffix}", exposures)],
            [write_lines(tmp_path / f"outcomes.jsonl{suffix}", outcomes)],
            None if assignments is None else [write_lines(tmp_path / f"assignments.jsonl{suffix}", assignments)],
        )
        return trace(named, Asked(request_id=request_id, policy=policy or Policy(), **asked), NOW)

    return of

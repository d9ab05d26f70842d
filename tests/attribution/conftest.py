"""A function that writes logs, joins them, and gives what was found."""

import json
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from recsys.attribution import join, quality, sources
from recsys.attribution.engine.duckdb import DuckDB
from recsys.attribution.policy import Policy


def write(path: Path, rows) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return str(path)


@contextmanager
def joining(exposures, outcomes, assignments=(), policy=None, cuts=1, **options):
    """The join of rows, each log cut into ``cuts`` files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def files(role, rows):
            return [write(folder / f"{role}-{cut}.jsonl", rows[cut::cuts]) for cut in range(cuts)]

        named = sources.from_options(
            files("exposures", list(exposures)),
            files("outcomes", list(outcomes)),
            files("assignments", list(assignments)) if assignments else None,
        )
        scratch = folder / "scratch"
        scratch.mkdir()
        accepted = sources.accept_dataset(named, scratch)
        with closing(DuckDB(scratch)) as engine:
            yield join.join(engine, accepted, policy or Policy(), scratch=scratch, **options)


@pytest.fixture(scope="session")
def joined():
    return joining


@pytest.fixture(scope="session")
def quality_of():
    def of(exposures, outcomes, **options):
        with joining(exposures, outcomes, **options) as joined:
            return quality.data_quality(joined)

    return of

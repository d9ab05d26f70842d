"""One part of the users: which rows it holds, and how what nobody owns is counted."""

import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from recsys.attribution import shards
from recsys.attribution.engine.duckdb import DuckDB
from recsys.errors import UsageError
from shard_rows import check


def test_every_row_is_in_one_part():
    """On DuckDB."""
    with tempfile.TemporaryDirectory() as name, closing(DuckDB(Path(name))) as engine:
        check(engine, Path(name))


@pytest.mark.parametrize(("text", "part", "of"), [("1/1", 1, 1), ("2/5", 2, 5), ("4096/4096", 4096, 4096)])
def test_a_part_as_text(text, part, of):
    """k of n, counted from 1."""
    assert shards.read(text, "--shard") == shards.Shard(part, of)
    assert str(shards.read(text, "--shard")) == f"{part} of {of}"


@pytest.mark.parametrize("text", ["", "0/5", "6/5", "2", "2/0", "-1/5", "1/5000", "1/5/2", "a/b", "1.0/5", "１/５"])
def test_no_part(text):
    """What is none is refused, with an example."""
    with pytest.raises(UsageError, match=r"--shard: not a part.*such as 2/5"):
        shards.read(text, "--shard")

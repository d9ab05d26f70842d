"""One part of the users: which rows it holds, and how what nobody owns is counted."""

import hashlib
import json
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

import spark_here
from join_oracle import micros
from recsys.attribution import join, shards, sources
from recsys.attribution.engine.duckdb import DuckDB
from recsys.attribution.policy import Policy
from recsys.errors import UsageError
from unit_logs import random_logs

ROLES = ("exposures", "outcomes", "assignments")


def bucket(user):
    return int(hashlib.md5(f"recsys:{user}".encode()).hexdigest()[:3], 16)


def check(engine, folder):
    """Of every part: the rows of its users alone, each in one part; what is not valid counts in the first."""
    logs = random_logs(3, people=60, requests=150)
    rows = dict(zip(ROLES, (logs.exposures, logs.outcomes, logs.assignments), strict=True))
    for role, own in rows.items():
        text = "".join(json.dumps(row) + "\n" for row in own) + ("{}\n" if role == "outcomes" else "")
        (folder / f"{role}.jsonl").write_text(text)
    seen = dict.fromkeys(ROLES, 0)
    for part in (1, 2, 3):
        named = sources.from_options(*([str(folder / f"{role}.jsonl")] for role in ROLES))
        dataset = sources.accept_dataset(named, folder)
        made = join.join(engine, dataset, Policy(), scratch=folder, shard=shards.Shard(part, 3))
        for role, own in rows.items():
            expected = sorted(row["user_id"] for row in own if bucket(row["user_id"]) % 3 == part - 1)
            assert sorted(user for (user,) in engine.rows(f"SELECT user_id FROM staged_{role}")) == expected
            log = getattr(made.dataset, role)
            assert (log.rows - log.invalid, log.invalid) == (len(expected), int(role == "outcomes" and part == 1))
            seen[role] += len(expected)
        assert made.end_us == max(micros(row["ts"]) for row in (*logs.exposures, *logs.outcomes))
    assert seen == {role: len(own) for role, own in rows.items()}


def test_every_row_is_in_one_part():
    """On DuckDB."""
    with tempfile.TemporaryDirectory() as name, closing(DuckDB(Path(name))) as engine:
        check(engine, Path(name))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_every_row_is_in_one_part_on_spark():
    """The same hash, in Spark's words."""
    spark_here.required()
    from recsys.attribution.engine.spark import Spark

    with (
        tempfile.TemporaryDirectory() as name,
        closing(Spark(Path(name), master="local[2]", memory_mib=1024)) as engine,
    ):
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

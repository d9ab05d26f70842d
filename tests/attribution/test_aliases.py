"""One subject under several salts: figures are those of one salt."""

import random
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import troubled_logs
from recsys.attribution import sources
from recsys.attribution.aliases import resolved
from recsys.contracts.report import Report
from recsys.evaluation import evaluate as conductor
from recsys.evaluation.config import EvaluationConfig
from recsys.eventlog.pseudonym import pseudonym
from recsys.eventlog.writing.index import Alias
from recsys.eventlog.writing.writer import LogSettings, LogWriter

SALTS = (b"the first salt", b"the second salt", b"the third salt")
NOW = datetime(2026, 2, 6, tzinfo=UTC)


def alias(previous, current):
    return Alias(previous=previous, current=current)


def test_a_chain_ends_at_the_last_pseudonym_and_a_circle_at_one():
    """A → B → C is C for both; there and back again is one of the two; nothing is replaced by itself."""
    assert resolved([alias("a", "b"), alias("b", "c")]) == {"a": "c", "b": "c"}
    assert resolved([alias("b", "c"), alias("a", "b")]) == {"a": "c", "b": "c"}
    assert resolved([alias("a", "b"), alias("b", "a")]) == {"b": "a"}
    assert resolved([alias("a", "a")]) == {}
    assert resolved([alias("a", "c"), alias("a", "b")]) == {"a": "b", "c": "b"}


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh"))))
def test_who_is_connected_is_one_and_nobody_else(pairs):
    """Two names have one result exactly where a path of aliases connects them, found by walking all paths."""
    found = resolved([alias(*pair) for pair in pairs])
    for one in "abcdefgh":
        reached, edge = {one}, [one]
        while edge:
            name = edge.pop()
            near = {b for a, b in pairs if a == name} | {a for a, b in pairs if b == name}
            edge += near - reached
            reached |= near
        for other in "abcdefgh":
            assert (found.get(one, one) == found.get(other, other)) == (other in reached)


def logged(folder, role, rows, aliases=()):
    log = LogWriter(LogSettings(path=f"{folder}/{role}/"), log=role.removesuffix("s"), writer="w1")
    log.open()
    for each in aliases:
        log.note_alias(each)
    log.append(*(msgspec.json.encode(row) for row in rows))
    log.close()


def figures(folder):
    named = sources.from_options([f"{folder}/exposures"], [f"{folder}/outcomes"])
    return conductor.evaluate(named, EvaluationConfig(), now=NOW).report


def comparable(report: Report):
    quality = msgspec.structs.replace(report.data_quality, aliases=0)
    return quality, report.results, report.clicks_by_rank, report.hours, report.summary


def salted(rows, salt_of):
    return [
        row if row["user_id"].startswith("request") else {**row, "user_id": pseudonym(salt_of(row), row["user_id"])}
        for row in rows
    ]


@pytest.mark.parametrize("salts", [2, 3])
def test_logs_of_several_salts_with_their_aliases_give_the_figures_of_one_salt(tmp_path, salts):
    """Users, mismatches, units, intervals: the report is the same as if the salt had never changed."""
    shown, done = troubled_logs.make(7)
    last = SALTS[salts - 1]
    rng = random.Random(1)
    users = sorted({row["user_id"] for row in [*shown, *done]})
    noted = [
        alias(pseudonym(before, user), pseudonym(after, user))
        for before, after in pairwise(SALTS[:salts])
        for user in users
    ]
    one, several = tmp_path / "one", tmp_path / "several"
    for folder, salt_of in ((one, lambda _: last), (several, lambda _: rng.choice(SALTS[:salts]))):
        logged(folder, "exposures", salted(shown, salt_of))
        logged(folder, "outcomes", salted(done, salt_of), noted if folder is several else [])
    expected, found = figures(one), figures(several)
    assert comparable(found) == comparable(expected)
    assert found.data_quality.aliases == len(noted)
    assert any("pseudonyms of an earlier salt" in warning for warning in found.warnings)
    for index in Path(several).glob("*/*.index"):
        index.unlink()
    assert comparable(figures(several)) != comparable(expected)

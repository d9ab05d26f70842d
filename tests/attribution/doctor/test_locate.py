"""Sample lines: they are the lines that were planted, whatever form the log has."""

import gzip
import json

import duckdb
import pytest

import doctor_world
from recsys.attribution import sources
from recsys.attribution.doctor.diagnose import diagnose
from recsys.attribution.policy import Policy

PLANTED = (17, 40, 333)
"""Outcomes, by their position, that get another user."""


@pytest.fixture(scope="module")
def logs():
    exposures, outcomes, _ = doctor_world.world(3, requests=900)
    for place in PLANTED:
        outcomes[place] = {**outcomes[place], "user_id": f"raw-{place}"}
    return exposures, outcomes


def found(exposures, outcomes):
    """The sample lines of the finding about users."""
    named = sources.from_options([str(exposures)], [str(outcomes)])
    told = diagnose(named, policy=Policy(), thresholds=None, now=doctor_world.NOW)
    [finding] = [each for each in told.findings if each.detector == "user_mismatch"]
    assert finding.evidence.rows == len(PLANTED)
    return [(sample.file, sample.line) for sample in finding.evidence.samples]


def text(rows):
    return "".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows)


def test_the_lines_of_a_plain_log(logs, tmp_path):
    """file:line of the planted rows, in order of time."""
    doctor_world.write(tmp_path / "e.jsonl", logs[0])
    doctor_world.write(tmp_path / "o.jsonl", logs[1])
    assert found(tmp_path / "e.jsonl", tmp_path / "o.jsonl") == [
        (str(tmp_path / "o.jsonl"), place + 1) for place in PLANTED
    ]


def test_bad_lines_count_as_lines(logs, tmp_path):
    """Lines that were refused before a row are lines of the file, also of a packed one."""
    doctor_world.write(tmp_path / "e.jsonl", logs[0])
    rows = ["{broken\n", *logs[1][:30], "\n", *logs[1][30:]]
    path = tmp_path / "o.jsonl.gz"
    path.write_bytes(gzip.compress(text(rows).encode()))
    expected = [rows.index(logs[1][place]) + 1 for place in PLANTED]
    assert found(tmp_path / "e.jsonl", path) == [(str(path), line) for line in expected]


def test_the_rows_of_parquet(logs, tmp_path):
    """Of Parquet the row of the file, from 1."""
    doctor_world.write(tmp_path / "e.jsonl", logs[0])
    doctor_world.write(tmp_path / "o.jsonl", logs[1])
    path = tmp_path / "o.parquet"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            f"COPY (SELECT request_id, user_id, item_id, event_type, ts::TIMESTAMPTZ AS ts, event_id, context FROM "
            f"read_json('{tmp_path}/o.jsonl', format = 'newline_delimited', columns = {{request_id: 'VARCHAR', "
            "user_id: 'VARCHAR', item_id: 'VARCHAR', event_type: 'VARCHAR', ts: 'VARCHAR', event_id: 'VARCHAR', "
            f"context: 'MAP(VARCHAR, VARCHAR)'}})) TO '{path}' (FORMAT parquet)"
        )
    assert found(tmp_path / "e.jsonl", path) == [(str(path), place + 1) for place in PLANTED]

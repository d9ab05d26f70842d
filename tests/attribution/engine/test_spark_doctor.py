"""The doctor on Spark: what it asks beside its relations is understood there too."""

from contextlib import nullcontext
from datetime import UTC, datetime

import pytest

import spark_logs
import troubled_logs
from recsys.attribution import sources
from recsys.attribution.doctor import diagnose
from recsys.attribution.policy import Policy

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def test_the_diagnosis_is_that_of_duckdb(spark, tmp_path, monkeypatch):
    """All findings, counts, onsets and sample lines are the same."""
    shown, done = troubled_logs.make(5, 400)
    arms = [
        {**{name: row[name] for name in ("request_id", "user_id", "ts")}, "experiment_id": "x", "variant": "AB"[n % 2]}
        for n, row in enumerate(shown)
    ]
    logs = {"exposures": shown, "outcomes": done, "assignments": arms}
    files = [[spark_logs.write_lines(tmp_path / f"{role}.jsonl", rows)] for role, rows in logs.items()]
    asked = {"policy": Policy(), "thresholds": None, "now": datetime(2026, 3, 1, tzinfo=UTC)}
    expected = diagnose.diagnose(sources.from_options(*files), **asked)
    assert len(expected.findings) > 3
    monkeypatch.setattr(diagnose, "opened", lambda choice, scratch: nullcontext(spark))
    assert diagnose.diagnose(sources.from_options(*files), **asked) == expected

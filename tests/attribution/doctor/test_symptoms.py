"""How bad a share is: chance alone makes nothing serious."""

from datetime import datetime, timedelta

import pytest
from scipy.stats import beta

import doctor_world
from doctor_world import examine, pseudonym, stamp
from recsys.attribution.doctor.symptoms import graded

LIMITS = {"warning": 0.001, "serious": 0.05}


@pytest.mark.parametrize(
    ("n", "of", "severity"),
    [
        (0, 0, None), (0, 8, None), (1, 2_000, None), (1, 8, "warning"), (2, 8, "warning"), (3, 8, "serious"),
        (1, 1, "warning"), (2, 2, "serious"), (400, 8_000, "warning"), (500, 8_000, "serious"),
    ],
)  # fmt: skip
def test_grades(n, of, severity):
    """Serious is what is over the limit by the lower bound of 99 %."""
    assert graded(n, of, LIMITS) == severity
    if severity == "serious":
        assert beta.ppf(0.01, n, of - n + 1) >= LIMITS["serious"]


def test_limits_of_a_word():
    """A limit of 0 is any row at all."""
    assert graded(1, 10, {"two_warning": 0.0, "two_serious": 0.0}, "two") == "serious"
    assert graded(1, 10, {"two_warning": 0.2, "two_serious": 0.5}, "two") is None


def test_one_row_of_a_small_log():
    """One of a few outcomes is of somebody else, or early; one of a few subjects is in two arms: warnings."""
    shown, done, assigned = doctor_world.world(1, requests=40, users=12)
    done = [row for row in done if row["event_type"] == "click"][:8]
    other = [{**row, "user_id": pseudonym("x")} if not place else row for place, row in enumerate(done)]
    [finding] = examine(shown, other).findings
    assert (finding.detector, finding.severity, finding.evidence.rows) == ("user_mismatch", "warning", 1)
    asked = next(row["ts"] for row in shown if row["request_id"] == done[0]["request_id"])
    early = [{**done[0], "ts": _earlier(asked)}, *done[1:]]
    [finding] = examine(shown, early).findings
    assert (finding.detector, finding.severity, finding.evidence.rows) == ("clock_skew", "warning", 1)
    assert "The clock of 1 of 8 outcomes is about 9 s behind" in finding.cause
    arm = {"A": "B", "B": "A"}[assigned[0]["variant"]]
    twice = [*assigned, {**assigned[0], "variant": arm, "request_id": "again"}]
    found = {each.detector: each.severity for each in examine(shown, done, twice).findings}
    assert found["two_variants"] == "warning"


def _earlier(ts):
    return stamp(datetime.fromisoformat(ts) - timedelta(seconds=9))

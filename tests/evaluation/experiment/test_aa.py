"""``mode: aa-check``: users of a log, split at random a thousand times, must give uniform p-values."""

from datetime import UTC, datetime

import pytest

import ab_logs
from ab_logs import Logs, World
from recsys.attribution import sources
from recsys.attribution.engine.choice import EngineChoice
from recsys.errors import ConfigError
from recsys.evaluation.config import EvaluationConfig
from recsys.evaluation.experiment import aa, read_settings

NOW = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def logs():
    return ab_logs.logs(World(users=1_500).but(A={"click": 0.8}, B={"click": 1.6}))


def check(folder, logs, **settings):
    options = ab_logs.write(logs, folder)
    config = EvaluationConfig(mode="aa-check", experiment=read_settings.read(settings, "experiment"))
    dataset = sources.from_options(options["exposures"], options["outcomes"], options["assignments"], None, None)
    return aa.evaluate(dataset, config, now=NOW, engine=EngineChoice()).report


def test_our_tests_hold_their_level(tmp_path, logs):
    """Arms differ in this log, and its users still pass: who is in which arm is drawn anew."""
    found = check(tmp_path, logs, primary_metrics=["ctr", "clicks_per_user"], secondary_metrics=["conversion_rate"])
    assert (found.summary.status, found.mode) == ("pass", "aa-check"), found.summary.reasons
    for cell in found.aa_check.cells:
        assert (cell.splits, cell.units, cell.status) == (1_000, 1_500, "pass")
        assert 0.03 < cell.rejected < 0.07


def test_of_an_experiment_and_by_the_seed(tmp_path, logs):
    """The units of one experiment, and the same splits from the same seed."""
    first, again = (check(tmp_path / str(n), logs, experiment_id="exp-1", secondary_metrics=[]) for n in (1, 2))
    assert first.aa_check == again.aa_check
    assert first.aa_check.experiment_id == "exp-1"


def test_one_user_who_is_half_of_the_clicks_fails_the_build(tmp_path, logs):
    """A figure that one user decides has no interval to be believed: fail, or unusable, and never a pass."""
    heavy = [{**row, "ts": row["ts"].replace("Z", f"{n:03d}Z")} for n in range(1000)
             for row in logs.outcomes[:3] if row["event_type"] == "click"]  # fmt: skip
    found = check(tmp_path, Logs(logs.exposures, [*logs.outcomes, *heavy], logs.assignments), secondary_metrics=[])
    assert found.summary.status == "fail"
    assert "are not uniform" in found.summary.reasons[0]


def test_what_cannot_be_checked_holds(tmp_path, logs):
    """Too few users with a value, an empty log, or no ratio: no pass."""
    few = check(tmp_path / "few", Logs(logs.exposures, logs.outcomes[:50], logs.assignments), secondary_metrics=[])
    assert few.summary.status == "hold"
    assert check(tmp_path / "empty", Logs([], [], [])).summary.status == "hold"
    with pytest.raises(ConfigError, match="no metric can be checked"):
        check(tmp_path / "gini", logs, primary_metrics=["gini"], secondary_metrics=[])

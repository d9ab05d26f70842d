"""Time: a match rate that falls, clocks that differ, outcomes that come late, windows that are too short."""

import math
from datetime import datetime, timedelta

import numpy as np
import pytest

import doctor_world
from doctor_world import examine, stamp
from recsys.attribution.doctor.breakdown import Cell, stretch
from recsys.attribution.policy import Policy

SINCE = doctor_world.START + timedelta(hours=40)


@pytest.fixture(scope="module")
def healthy():
    return doctor_world.world(7)


def only(diagnosis, detector):
    """The one serious cause, which is this detector's."""
    causes = [finding for finding in diagnosis.findings if finding.severity == "serious"]
    assert [finding.detector for finding in causes] == [detector]
    return causes[0]


def moved(row, seconds):
    return {**row, "ts": stamp(datetime.fromisoformat(row["ts"]) + timedelta(seconds=seconds))}


def instant(row):
    return datetime.fromisoformat(row["ts"])


def on_app(row):
    return row["context"]["device"] == "app" and row["ts"] >= stamp(SINCE)


def test_the_match_rate_falls_at_a_release(healthy):
    """Since a release of the app its outcomes have altered ids: the place, the onset, the count, and what appeared."""
    exposures, outcomes, _ = healthy
    shown = [
        {**row, "context": {**row["context"], "app_version": "4.3.0"}} if on_app(row) else row for row in exposures
    ]
    released = {row["request_id"] for row in shown if row["context"]["app_version"] == "4.3.0"}
    altered = [row for row in outcomes if row["request_id"] in released]
    done = [
        {**row, "request_id": f"{row['request_id']}-x", "context": {**row["context"], "app_version": "4.3.0"}}
        if row["request_id"] in released else row
        for row in outcomes
    ]  # fmt: skip
    finding = only(examine(shown, done), "match_rate")
    assert finding.evidence.rows == len(altered)
    assert "app_version=4.3.0" in finding.cause
    told = examine(shown, [{**row, "context": {"device": row["context"]["device"]}} for row in done])
    finding = only(told, "match_rate")
    assert "device=app" in finding.cause
    assert stamp(finding.evidence.onset) == min(row["ts"] for row in altered)
    assert any("app_version=4.3.0 is in the exposures since" in fact for fact in finding.evidence.facts)
    clicks = sum(row["event_type"] == "click" for row in outcomes)
    assert finding.effect.without is None
    assert f"{finding.effect.as_logged:.4f} to {clicks / len(exposures):.4f}" in finding.effect.note


def test_a_match_rate_that_is_low_all_the_time(healthy):
    """Each tenth outcome has another id, at random: serious under the minimum, without an onset."""
    exposures, outcomes, _ = healthy
    done = [{**row, "request_id": f"x{place}"} if place % 10 == 3 else row for place, row in enumerate(outcomes)]
    finding = only(examine(exposures, done), "match_rate")
    assert finding.evidence.rows == sum(place % 10 == 3 for place in range(len(outcomes)))
    assert finding.evidence.onset is None


@pytest.mark.parametrize(("seconds", "words"), [(-3_600, "behind"), (-5_400, "behind"), (7_200, "ahead of")])
def test_another_time_zone(healthy, seconds, words):
    """All outcomes are off by whole half hours: it says so, and by how much."""
    exposures, outcomes, _ = healthy
    finding = only(examine(exposures, [moved(row, seconds) for row in outcomes]), "clock_skew")
    assert f"{abs(seconds) / 3_600:g} h {words} that of their exposures, as that of another time zone" in finding.cause


def test_the_clock_of_one_client(healthy):
    """The app's outcomes are 400 s early since a moment: the device, the onset, and the exact count."""
    exposures, outcomes, _ = healthy
    done = [moved(row, -400) if on_app(row) else row for row in outcomes]
    shown_at = {row["request_id"]: row["ts"] for row in exposures}
    tolerance = timedelta(seconds=5)
    early = [row for row in done if instant(row) < datetime.fromisoformat(shown_at[row["request_id"]]) - tolerance]
    finding = only(examine(exposures, done), "clock_skew")
    assert finding.evidence.rows == len(early)
    assert "of device=app is about" in finding.cause or "of app_version=4.2.0 is about" in finding.cause
    assert stamp(finding.evidence.onset) == min(row["ts"] for row in early)


@pytest.mark.parametrize("everywhere", [False, True])
def test_clients_with_clocks_of_their_own(healthy, everywhere):
    """The web is 1 h behind and the app 2 h, or some seconds more: each is told with its own hours."""
    exposures, outcomes, _ = healthy
    devices = ("web", "app") if everywhere else ("web", "app", "tv")
    shown = [
        {**row, "context": {**row["context"], "device": devices[place % len(devices)], "app_version": "1"}}
        for place, row in enumerate(exposures)
    ]
    device = {row["request_id"]: row["context"]["device"] for row in shown}
    hours = {"web": 3_600, "app": 7_203, "tv": 0}
    done = [
        {**moved(row, -hours[device[row["request_id"]]]), "context": {"device": device[row["request_id"]]}}
        for row in outcomes
    ]
    finding = only(examine(shown, done), "clock_skew")
    assert "by 2 h of device=app, by 1 h of device=web" in finding.cause
    alike = [{**row, "context": {"device": device[row["request_id"]]}} for row in outcomes]
    alike = [moved(row, -3_600 - place % 7) for place, row in enumerate(alike)]
    assert "is 1 h behind that of their exposures" in only(examine(shown, alike), "clock_skew").cause


def test_clocks_that_were_never_set(healthy):
    """Three outcomes of 1970, and as many lists: counted, and no clock of the others is doubted for it."""
    exposures, outcomes, _ = healthy
    old = [
        {**row, "ts": "1970-01-01T00:00:07Z"} if place in {5, 50, 500} else row for place, row in enumerate(outcomes)
    ]
    found = examine(exposures, old).findings
    assert [(each.detector, each.subject, each.evidence.rows) for each in found] == [("far_past", "outcomes", 3)]
    asked = {row["request_id"] for row in outcomes[20:80:20]}
    shown = [{**row, "ts": "1980-01-01T00:00:00Z"} if row["request_id"] in asked else row for row in exposures]
    found = examine(shown, outcomes, policy=Policy(windows_s={"click": 3_600.0, "conversion": None})).findings
    assert [(each.detector, each.subject, each.evidence.rows) for each in found] == [("far_past", "exposures", 3)]


def test_logs_of_all_years_that_there_are():
    """Rows at random instants from 1970 to 2200 are examined in no more time than others."""
    shown, done, _ = doctor_world.world(2, requests=800, days=230 * 365)
    back = timedelta(days=56 * 365)
    logs = ([{**row, "ts": stamp(datetime.fromisoformat(row["ts"]) - back)} for row in log] for log in (shown, done))
    found = examine(*logs, now=doctor_world.START + timedelta(days=174 * 365)).findings
    assert [(each.detector, each.subject) for each in found] == [("far_past", "exposures")]


def test_late_outcomes_of_one_client(healthy):
    """Two of three clicks of the app come hours late: a warning that names it."""
    exposures, outcomes, _ = healthy
    late = [row for row in outcomes if row["context"]["device"] == "app" and row["event_type"] == "click"][::3]
    late += [row for row in outcomes if row["context"]["device"] == "app" and row["event_type"] == "click"][1::3]
    done = [moved(row, 20_000 + 7 * place) if row in late else row for place, row in enumerate(outcomes)]
    told = examine(exposures, done)
    [finding] = told.findings
    assert (finding.detector, finding.severity) == ("late_outcomes", "warning")
    assert finding.evidence.rows == len(late)
    assert "device=app" in finding.cause or "app_version=4.2.0" in finding.cause


def test_a_window_that_is_too_short(healthy):
    """A window of 12 s for clicks cuts half of them off: a longer one is proposed; a long window is silent."""
    exposures, outcomes, _ = healthy
    shown_at = {row["request_id"]: datetime.fromisoformat(row["ts"]) for row in exposures}
    delays = [
        (datetime.fromisoformat(row["ts"]) - shown_at[row["request_id"]]).total_seconds()
        for row in outcomes if row["event_type"] == "click"
    ]  # fmt: skip
    policy = Policy(windows_s={"click": 12.0, "conversion": None})
    finding = only(examine(exposures, outcomes, policy=policy), "window_too_short")
    assert finding.evidence.rows == sum(delay > 12 for delay in delays)
    assert f" {math.ceil(sorted(delays)[int(0.99 * len(delays))])}s:" in finding.fix
    long = Policy(windows_s={"click": 86_400.0, "conversion": 864_000.0})
    assert examine(exposures, outcomes, policy=long).findings == []


def test_chance_makes_no_stretch():
    """2,000 logs of 240 buckets with one match rate: in none a stretch is found, at any rate and size."""
    rng = np.random.default_rng(11)
    for _ in range(2_000):
        n = rng.poisson(rng.choice([2, 10, 60]), 240)
        hit = rng.binomial(n, rng.choice([0.001, 0.01, 0.04, 0.2]))
        assert (
            stretch([Cell(place, (), int(a), int(b)) for place, (a, b) in enumerate(zip(n, hit, strict=True))]) is None
        )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_silence(seed):
    """The healthy log has none of it."""
    assert examine(*doctor_world.world(seed)).findings == []

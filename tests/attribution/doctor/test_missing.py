"""What is missing or refused: outcomes without exposures or request_id, lines that break the contract, the future."""

from datetime import timedelta

import pytest

import doctor_world
import lossy_logs
from doctor_world import examine, stamp
from recsys.attribution import sources
from recsys.attribution.doctor.diagnose import diagnose
from recsys.attribution.policy import Policy


@pytest.fixture(scope="module")
def healthy():
    return doctor_world.world(5)


def only(diagnosis, detector):
    """The one serious cause, which is this detector's."""
    causes = [finding for finding in diagnosis.findings if finding.severity == "serious"]
    assert [finding.detector for finding in causes] == [detector]
    return causes[0]


def test_only_outcomes(healthy):
    """Without any exposure every outcome is counted, and nothing else is found serious."""
    _, outcomes, _ = healthy
    finding = only(examine([], outcomes), "only_outcomes")
    assert (finding.evidence.rows, finding.evidence.of) == (len(outcomes), len(outcomes))


def test_only_exposures(healthy):
    """Without any outcome it is said that there are only exposures."""
    exposures, _, _ = healthy
    finding = only(examine(exposures, []), "only_outcomes")
    assert finding.evidence.rows == len(exposures)
    assert "only exposures" in finding.cause


def test_empty_logs(healthy):
    """Nothing at all is no clean bill, and lists without any outcome are none, however few."""
    exposures, _, _ = healthy
    for shown, subject, n in (([], "nothing", 0), (exposures[:99], "no outcomes", 99)):
        told = examine(shown, [])
        [finding] = told.findings
        assert (finding.detector, finding.subject, finding.severity) == ("only_outcomes", subject, "warning")
        assert (told.bill.status, finding.evidence.rows) == ("warnings", n)


def test_a_surface_that_only_outcomes_know(healthy):
    """The exposures of one surface are not logged: its outcomes are counted exactly, and named by it."""
    exposures, outcomes, _ = healthy
    kept = [row for row in exposures if row["context"]["surface"] != "cart"]
    lost = sum(row["context"]["surface"] == "cart" for row in outcomes)
    finding = only(examine(kept, outcomes), "only_outcomes")
    assert finding.evidence.rows == lost
    assert "surface=cart" in finding.cause
    assert finding.effect.as_logged > finding.effect.without * 0.9


def test_a_night_without_exposures(healthy):
    """Six hours of exposures are missing: the outcomes of these lists are counted, and the beginning is told."""
    exposures, outcomes, _ = healthy
    since, until = doctor_world.START + timedelta(hours=30), doctor_world.START + timedelta(hours=36)
    gone = {row["request_id"] for row in exposures if stamp(since) <= row["ts"] < stamp(until)}
    kept = [row for row in exposures if row["request_id"] not in gone]
    orphans = [row for row in outcomes if row["request_id"] in gone]
    finding = only(examine(kept, outcomes), "only_outcomes")
    assert abs(finding.evidence.rows - len(orphans)) <= 3  # some are done in the first bucket that has exposures again
    assert abs((finding.evidence.onset - since).total_seconds()) < 1_800
    last = max(row["ts"] for row in kept if row["ts"] < stamp(since))
    assert finding.subject == f"since {last[:19].replace('T', ' ')} UTC"  # another night would be another finding
    assert [each.effect for each in finding.nested] == [None]


@pytest.mark.parametrize("value", ["absent", None, "", "  "])
def test_missing_request_ids_of_one_device(healthy, value, tmp_path):
    """Outcomes of the app without request_id since a moment: the exact count, the device, the onset and the lines."""
    exposures, outcomes, _ = healthy
    since = stamp(doctor_world.START + timedelta(hours=40))
    rows, lines = [], []
    for place, row in enumerate(outcomes, 1):
        if row["context"]["device"] == "app" and row["ts"] >= since:
            row = {key: given for key, given in row.items() if key != "request_id"}
            row |= {} if value == "absent" else {"request_id": value}
            lines.append((row["ts"], place))
        rows.append(row)
    finding = only(examine(exposures, rows, folder=tmp_path), "missing_request_id")
    assert finding.evidence.rows == len(lines)
    assert "device=app" in finding.cause
    assert stamp(finding.evidence.onset) == min(lines)[0]
    assert [sample.line for sample in finding.evidence.samples] == sorted(place for _, place in lines)[:3]
    assert finding.effect.without > finding.effect.as_logged


def test_lines_that_break_the_contract(healthy):
    """Broken JSON and a bad timestamp are one finding a log, with the rules counted; a few are a warning."""
    exposures, outcomes, _ = healthy
    rows = ["{broken", *({**row, "ts": "yesterday"} for row in outcomes[:29]), *outcomes[29:]]
    told = examine([*exposures, "[]"], rows)
    serious = only(told, "refused_lines")
    assert (serious.evidence.log, serious.evidence.rows, serious.evidence.of) == ("outcomes", 30, len(outcomes) + 1)
    assert any(fact.startswith("timestamp at $.ts: 29 lines") for fact in serious.evidence.facts)
    [warning] = [finding for finding in told.findings if finding.severity == "warning"]
    assert (warning.detector, warning.evidence.log, warning.evidence.rows) == ("refused_lines", "exposures", 1)


def test_refused_exposures_explain_their_outcomes(healthy):
    """Lists of the app with a rank 0 since a moment: one finding with place, onset and the true figure; the outcomes
    that find no list are nested."""
    exposures, outcomes, _ = healthy
    since = stamp(doctor_world.START + timedelta(hours=40))
    refused = [row for row in exposures if row["context"]["device"] == "app" and row["ts"] >= since]
    ids = {row["request_id"] for row in refused}
    extra = {"item_id": "item-x", "rank": 0}
    shown = [{**row, "items": [*row["items"], extra]} if row["request_id"] in ids else row for row in exposures]
    finding = only(examine(shown, outcomes), "refused_lines")
    assert (finding.evidence.log, finding.evidence.rows) == ("exposures", len(refused))
    assert "device=app" in finding.cause
    assert stamp(finding.evidence.onset) == refused[0]["ts"]
    [nested] = finding.nested
    assert (nested.detector, nested.effect) == ("match_rate", None)
    assert nested.evidence.rows == sum(row["request_id"] in ids for row in outcomes)
    clicks = sum(row["event_type"] == "click" for row in outcomes)
    assert finding.effect.without == pytest.approx(clicks / len(exposures))


def test_refused_exposures_of_a_surface(healthy):
    """All lists of a surface are refused, some of them no JSON: that no exposure of it is there is nested."""
    exposures, outcomes, _ = healthy
    cart = [row for row in exposures if row["context"]["surface"] == "cart"]
    others = [row for row in exposures if row["context"]["surface"] != "cart"]
    finding = only(examine([*others, *(row | {"items": 7} for row in cart)], outcomes), "refused_lines")
    assert [each.detector for each in finding.nested] == ["only_outcomes", "match_rate"]
    torn = ["{" for _ in cart]
    told = examine([*others, *torn], [row for row in outcomes if row["context"]["surface"] != "cart"])
    [finding] = told.findings
    assert finding.effect.without == pytest.approx(finding.effect.as_logged)


def test_rows_of_the_future(healthy):
    """Rows later than now are counted; the same rows are healthy later on."""
    exposures, outcomes, _ = healthy
    now = doctor_world.START + timedelta(days=2)
    later = sum(row["ts"] > stamp(now + timedelta(minutes=1)) for row in exposures)
    found = {(each.detector, each.subject): each for each in examine(exposures, outcomes, now=now).findings}
    assert found["future", "exposures"].evidence.rows == later
    assert found["future", "exposures"].severity == "serious"
    assert examine(exposures, outcomes).findings == []


def test_what_a_log_says_that_it_lost(healthy, tmp_path):
    """Gaps of the index beside a log: counted, serious over the policy's limit."""
    exposures, outcomes, _ = healthy
    rows = {"exposures": exposures, "outcomes": outcomes, "assignments": []}
    logs = lossy_logs.write(tmp_path / "logs", rows, exposures=[(40, 3)])
    named = sources.from_options(logs["exposures"], logs["outcomes"])
    finding = only(diagnose(named, policy=Policy(), thresholds=None, now=doctor_world.NOW), "lost_records")
    assert (finding.evidence.rows, finding.evidence.of) == (40, len(exposures) + 40)
    gentle = diagnose(named, policy=Policy(max_lost_rate=0.5), thresholds=None, now=doctor_world.NOW)
    assert [(each.detector, each.severity) for each in gentle.findings] == [("lost_records", "warning")]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_silence(seed):
    """The healthy log has none of it."""
    exposures, outcomes, assignments = doctor_world.world(seed)
    assert examine(exposures, outcomes, assignments).findings == []

"""Healthy logs of other kinds than the shop's: silence; and faults at the edges of what a log holds."""

import math
from datetime import datetime, timedelta

import msgspec
import numpy as np
import pytest

import doctor_world
from doctor_world import START, examine, pseudonym, stamp
from recsys.attribution.doctor import baseline, time_scale
from recsys.attribution.doctor.detectors import DETECTORS
from recsys.contracts.diagnosis import Evidence, Finding


def seconds_later(rng):
    return rng.lognormal(2.5, 1.0)


def log(
    seed=1, *, requests=1_500, span_s=2 * 86_400, surfaces=("home",), rates=None, delay=seconds_later, name="r"
):  # fmt: skip
    """Lists over a time, each answered with the rate of its surface, by one outcome after a delay in seconds."""
    rng = np.random.default_rng([seed, 3])
    shown, done = [], []
    for number, at in enumerate(np.sort(rng.random(requests)) * span_s):
        surface = surfaces[int(rng.integers(len(surfaces)))]
        moment = START + timedelta(seconds=round(float(at), 3))
        row = {"request_id": f"{name}{number}", "user_id": pseudonym(int(rng.integers(400)), name), "ts": stamp(moment)}
        items = [f"item-{item}" for item in rng.choice(300, 5, replace=False)]
        shown.append(
            {
                **row, "context": {"tenant_id": "shop", "surface": surface, "device": "web"},
                "items": [{"item_id": item, "rank": rank} for rank, item in enumerate(items, 1)],
            }
        )  # fmt: skip
        if rng.random() < (rates or {}).get(surface, 0.3):
            late = timedelta(seconds=round(float(delay(rng)), 3))
            done.append({**row, "item_id": items[0], "event_type": "click", "ts": stamp(moment + late)})
    return shown, done


def causes(diagnosis):
    return [(finding.detector, finding.subject, finding.severity) for finding in diagnosis.findings]


def test_a_surface_that_is_clicked_rarely():
    """A twentieth of the other's rate is a surface's nature; a client's lists with that rate are not seen."""
    shown, done = log(surfaces=("home", "footer"), rates={"footer": 0.02, "home": 0.4})
    assert causes(examine(shown, done)) == []
    clients = [{**row, "context": {**row["context"], "device": row["context"]["surface"]}} for row in shown]
    assert causes(examine(clients, done)) == [("never_rendered", "device=footer", "serious")]


def test_a_small_surface_that_is_clicked_always():
    """Nearly each of 60 lists of a dialogue is answered, of 1,500 others one in 25: nobody says they are not seen."""
    home, popup = log(rates={"home": 0.04}), log(7, requests=60, surfaces=("popup",), rates={"popup": 0.95}, name="p")
    assert causes(examine(home[0] + popup[0], home[1] + popup[1])) == []


@pytest.mark.parametrize("requests", [1, 2, 3, 5])
def test_a_log_of_a_few_lists(requests):
    """Of a handful of lists, whichever are answered, nothing is told; where none is, that it is so."""
    shown, done = log(4, requests=requests, surfaces=("home", "cart"), rates={"home": 1.0, "cart": 0.0})
    assert causes(examine(shown, done)) == ([] if done else [("only_outcomes", "no outcomes", "warning")])


def test_three_lists_of_a_new_client():
    """Each of 40 lists is answered but three of another client: so few lists tell nothing."""
    shown, done = log(4, requests=40, rates={"home": 1.0}, span_s=600)
    new = {row["request_id"] for row in shown[10:13]}
    shown = [
        {**row, "context": {**row["context"], "device": "app" if row["request_id"] in new else "web"}} for row in shown
    ]
    assert causes(examine(shown, [row for row in done if row["request_id"] not in new])) == []


def test_lists_whose_clicks_do_not_join_are_seen():
    """All outcomes of a client have no request_id: that is one finding, not also that nobody sees its lists."""
    shown, done = log(surfaces=("home", "cart"))
    app = {row["request_id"] for row in shown if row["context"]["surface"] == "cart"}
    shown = [
        {**row, "context": {**row["context"], "device": "app" if row["request_id"] in app else "web"}} for row in shown
    ]
    done = [{**row, "request_id": None} if row["request_id"] in app else row for row in done]
    assert [each[:2] for each in causes(examine(shown, done))] == [("missing_request_id", "")]


def test_mail_is_read_hours_later():
    """Clicks on mails come hours later, spread over a day: a warning that says so, and no clock that is wrong."""
    mail = log(2, requests=700, surfaces=("mail",), delay=lambda rng: rng.lognormal(9.5, 1.0), name="m")
    home = log(3)
    found = examine(mail[0] + home[0], mail[1] + home[1])
    assert causes(found) == [("late_outcomes", "", "warning")]
    assert "surface=mail" in found.findings[0].cause
    assert "mail" in found.findings[0].fix


def test_clicks_that_are_held_back_anywhere():
    """Each tenth click is delivered an hour to days later, at random: found with its count; a long tail is silent."""
    shown, done = log()
    rng = np.random.default_rng(8)
    moved = [
        {**row, "ts": stamp(datetime.fromisoformat(row["ts"]) + timedelta(seconds=3_600 + rng.exponential(40_000)))}
        if place % 10 == 4 else row
        for place, row in enumerate(done)
    ]  # fmt: skip
    found = examine(shown, moved)
    assert causes(found) == [("late_outcomes", "", "warning")]
    assert found.findings[0].evidence.rows == sum(place % 10 == 4 for place in range(len(done)))
    assert causes(examine(*log(delay=lambda rng: rng.lognormal(4.0, 1.8)))) == []


def test_a_few_rows_of_another_clock():
    """Each fortieth outcome is an hour behind: the hour is told, not what the others' delay is."""
    shown, done = log()
    hour = timedelta(hours=1)
    early = [
        {**row, "ts": stamp(datetime.fromisoformat(row["ts"]) - hour)} if not place % 40 else row
        for place, row in enumerate(done)
    ]
    [finding] = examine(shown, early).findings
    assert "is 1 h behind that of their exposures" in finding.cause
    assert finding.evidence.rows == math.ceil(len(done) / 40)


def test_a_log_cut_from_a_stream():
    """The lists before the cut are not there, their clicks after it are: nothing is wrong."""
    shown, done = log(requests=6_000, span_s=7_200, delay=lambda rng: rng.lognormal(4.5, 1.0))
    cut = stamp(START + timedelta(minutes=30))
    found = examine([row for row in shown if row["ts"] >= cut], [row for row in done if row["ts"] >= cut])
    assert causes(found) == []
    assert found.bill.match_rate < 0.99


def test_lost_exposures_are_counted_to_their_borders():
    """Exposures end at a moment within a bucket: all outcomes of later lists are counted, and the fall is explained."""
    shown, done, _ = doctor_world.world(3, requests=2_000)
    kept, gone = shown[:-100], {row["request_id"] for row in shown[-100:]}
    [finding] = examine(kept, done).findings
    assert finding.detector == "only_outcomes"
    assert finding.evidence.rows == sum(row["request_id"] in gone for row in done)


def test_outcomes_with_words_of_their_own():
    """Outcomes call their device otherwise than exposures, and each tenth has a wrong id: no exposure is missing."""
    shown, done = log()
    told = [
        {**row, "request_id": f"x{place}" if place % 5 == 3 else row["request_id"], "context": {"device": kind}}
        for place, row in enumerate(done)
        for kind in [("phone", "desk")[place % 2]]
    ]
    web = [{**row, "context": {**row["context"], "device": ("a", "b")[place % 2]}} for place, row in enumerate(shown)]
    assert not {"only_outcomes"} & {each[0] for each in causes(examine(web, told))}


def test_half_of_the_assignments_are_missing():
    """Two thirds of the rows of an assignment log by request are missing: each such exposure is counted."""
    shown, done, assigned = doctor_world.world(4)
    [finding] = examine(shown, done, assigned[::3]).findings
    assert finding.detector == "assignment_missing"
    assert finding.evidence.rows == len(assigned) - len(assigned[::3])


def test_subjects_in_two_variants_explain_other_variants():
    """Each twentieth assignment names the other variant: one finding, of subjects, which explains the exposures'."""
    shown, done, assigned = doctor_world.world(4)
    other = {"A": "B", "B": "A"}
    mixed = [{**row, "variant": other[row["variant"]]} if not place % 20 else row for place, row in enumerate(assigned)]
    [finding] = examine(shown, done, mixed).findings
    assert finding.detector == "two_variants"
    assert [each.detector for each in finding.nested] == ["assignment_missing"]


def test_an_arm_alone():
    """Nobody of one arm is in the logs: a warning, for there is nothing to compare with."""
    shown, done, assigned = doctor_world.world(4)
    own = {row["request_id"] for row in assigned if row["variant"] == "A"}
    logs = ([row for row in rows if row["request_id"] in own] for rows in (shown, done, assigned))
    assert causes(examine(*logs)) == [("sample_ratio", "exp-1", "warning")]


def test_exposures_of_the_future_are_no_other_clock():
    """Each tenth exposure is of the next year: that is the one finding, not also that the outcomes' clock is behind."""
    shown, done = log()
    later = timedelta(days=365)
    ahead = [
        {**row, "ts": stamp(datetime.fromisoformat(row["ts"]) + later)} if not place % 10 else row
        for place, row in enumerate(shown)
    ]
    assert causes(examine(ahead, done)) == [("future", "exposures", "serious")]


class Counting:
    """An engine that answers with one log's instants."""

    def __init__(self, instants):
        import duckdb

        self.connection = duckdb.connect()
        self.connection.execute("CREATE TABLE staged_exposures AS SELECT unnest(?::BIGINT[]) AS ts_us", [instants])
        self.connection.execute("CREATE TABLE staged_outcomes AS SELECT CAST(1 AS BIGINT) AS ts_us WHERE FALSE")

    def rows(self, query):
        """The rows of a query."""
        return self.connection.execute(query).fetchall()


@pytest.mark.parametrize(
    ("seconds", "width_s"),
    [
        (list(range(1_000, 1_060)), 1),
        ([0, *range(10**9, 10**9 + 200)], 1),
        ([day * 86_400 for day in range(25 * 365)], 4_320_000),
        ([day * 86_400 for day in range(231 * 365)], 31_104_000),
        ([day * 86_400 for day in range(200)], 86_400),
        ([], 1),
    ],
)
def test_the_width_of_buckets(seconds, width_s):
    """A row far away coarsens nothing; 25 years are cut into 183 buckets, and 231 years into 235."""
    assert time_scale.width_us(Counting([second * 1_000_000 for second in seconds])) == width_s * 1_000_000


def test_a_detector_that_cannot_look_finds_nothing_gone():
    """Without assignments a finding about them is not gone, it was not looked for; and with them not surely new."""
    shown, done, assigned = doctor_world.world(4, requests=400)
    whole, blind = examine(shown, done, assigned[::3]), examine(shown, done)
    assert [finding.detector for finding in whole.findings] == ["assignment_missing"]
    compared = baseline.compared(blind, msgspec.json.decode(msgspec.json.encode(whole), type=type(whole)))
    assert compared.gone == []
    assert any("assignment_missing no row" in note for note in compared.notes)
    assert any("assignment_missing" in note for note in baseline.compared(whole, blind).notes)


def with_findings(diagnosis, *parts):
    """The diagnosis with findings of (subject, rows of 1,000, hour of the first row), each nested in the one before."""
    nested = []
    for subject, rows, hour in reversed(parts):
        first = doctor_world.START + timedelta(hours=hour)
        evidence = Evidence(log="outcomes", rows=rows, of=1_000, first=first)
        nested = [
            Finding(
                detector="only_outcomes", subject=subject, severity="serious", cause="", evidence=evidence, effect=None,
                fix="", nested=nested,
            )
        ]  # fmt: skip
    return msgspec.structs.replace(diagnosis, findings=nested)


@pytest.mark.parametrize(
    ("earlier", "today", "changes", "gone"),
    [
        ([("a", 90, 1), ("a", 50, 30)], [("a", 90, 1)], ["same"], ["only_outcomes a (since 2026-02-03 06:00:00 UTC)"]),
        ([("a", 50, 30)], [("a", 90, 1), ("a", 50, 30)], ["new", "same"], []),
        ([("a", 300, 1), ("a", 50, 30)], [("a", 300, 30), ("a", 50, 1)], ["worse", "better"], []),
        ([("a", 90, 1), ("a", 50, 3)], [("a", 51, 30), ("a", 89, 40)], ["same", "same"], []),
        ([("a", 90, 1), ("b", 50, 3)], [("b", 50, 3), ("c", 90, 1)], ["same", "new"], ["only_outcomes a"]),
    ],
)
def test_findings_that_share_a_key_are_paired(earlier, today, changes, gone):
    """Two holes are two findings: of a baseline with two and a day with one, one is gone, and the other is as it was.
    Those of one moment are the same one, then those that are most alike; no two of today are one of the baseline."""
    found = examine([], [])
    compared = baseline.compared(with_findings(found, *today), with_findings(found, *earlier))
    told = []
    findings = compared.findings
    while findings:
        told.append(findings[0].since_baseline)
        findings = findings[0].nested
    assert (told, compared.gone) == (changes, gone)


def test_limits_of_nothing_are_no_crash():
    """With all limits 0 each detector still answers, on empty logs and on small ones."""
    text = "\n".join(f"{each.name}: {{{', '.join(f'{name}: 0' for name in each.limits)}}}" for each in DETECTORS)
    shown, done, assigned = doctor_world.world(4, requests=30)
    with_weights = [
        {**row, "items": [{**item, "propensity": 0.1} for item in row["items"]]} if place < 1 else row
        for place, row in enumerate(shown)
    ]
    for logs in (([], [], []), (with_weights, done, assigned), (shown[:1], done[:1], assigned[:1])):
        assert len(examine(*logs, thresholds=text).checks) == len(DETECTORS)


def with_propensities(row, given=8):
    return {**row, "items": [{**item, "propensity": 0.1} if item["rank"] <= given else item for item in row["items"]]}


def test_propensities_of_one_surface():
    """Only what is explored has propensities: a warning that names the rest; in part of a list it is serious."""
    shown, done, _ = doctor_world.world(4, requests=600)
    home = [with_propensities(row) if row["context"]["surface"] == "home" else row for row in shown]
    [finding] = examine(home, done).findings
    assert (finding.detector, finding.subject, finding.severity) == ("propensities", "absent", "warning")
    assert "all lists of surface=" in finding.cause
    assert finding.evidence.rows == 8 * sum(row["context"]["surface"] != "home" for row in shown)
    parts = [with_propensities(row, 8 - (not place % 4)) for place, row in enumerate(shown)]
    [finding] = examine(parts, done).findings
    assert (finding.severity, finding.evidence.rows) == ("serious", 150)


def test_an_address_for_an_experiment_is_not_told():
    """The name of an experiment that is somebody's address stands in no word of the diagnosis."""
    shown, done, assigned = doctor_world.world(4, requests=400)
    named = [{**row, "context": {**row["context"], "experiment_id": "jane@example.org"}} for row in shown]
    rows = [{**row, "experiment_id": "jane@example.org", "variant": "A"} for row in assigned]
    found = examine(named, done, rows)
    assert {"assignment_missing", "sample_ratio"} <= {finding.detector for finding in found.findings}
    assert b"jane" not in msgspec.json.encode(found)


def test_a_secret_of_the_context_is_not_told():
    """Outcomes of one API key are orphans, and spell the other one otherwise: neither key stands in the diagnosis."""
    shown, done, _ = doctor_world.world(4)
    keys = {row["request_id"]: ("sk-live-abcdef", "hunter2")[place % 2] for place, row in enumerate(shown)}
    with_keys = [{**row, "context": {**row["context"], "api_key": keys[row["request_id"]]}} for row in shown]
    rows = []
    for row in done:
        key = keys[row["request_id"]]
        lost = {"request_id": f"x{row['request_id']}"} if key == "sk-live-abcdef" else {}
        rows.append({**row, **lost, "context": {**row["context"], "api_key": key.upper()}})
    found = examine(with_keys, rows)
    told = msgspec.json.encode(found).lower()
    assert b"api_key" in told
    assert b"abcdef" not in told
    assert b"hunter2" not in told


def test_more_refused_lines_than_are_looked_at(monkeypatch):
    """Of 40 lines the first 10 are looked at; all lack their request_id, so 40 do, and no other line is refused."""
    from recsys.attribution.doctor import refusals

    monkeypatch.setattr(refusals, "MOST", 10)
    shown, done, _ = doctor_world.world(4, requests=600)
    found = examine(shown, [{**row, "request_id": None} if place < 40 else row for place, row in enumerate(done)])
    assert causes(found) == [("missing_request_id", "", "serious")]
    assert found.findings[0].evidence.rows == 40
    assert "By the first 10 of 40 refused lines; the rest is taken alike." in found.findings[0].evidence.facts


def test_refused_lines_are_bounded_in_bytes(monkeypatch):
    """Of 40 lines of 10 kB each those within 100 kB are looked at, and nothing is kept of them but what is told."""
    from recsys.attribution.doctor import cases, refusals

    kept = []
    monkeypatch.setattr(refusals, "MOST_BYTES", 100_000)
    monkeypatch.setattr(cases, "refusals", lambda *asked: kept.extend(refusals.refusals(*asked)) or kept)
    shown, done, _ = doctor_world.world(4, requests=600)
    rows = [
        {**row, "request_id": " " * 4_000, "ts": [row["ts"]], "context": {**row["context"], "note": "x" * 6_000}}
        if place < 40 else row
        for place, row in enumerate(done)
    ]  # fmt: skip
    finding = examine(shown, rows).findings[0]
    assert (finding.detector, finding.evidence.rows) == ("missing_request_id", 40)
    assert f"By the first {len(kept)} of 40 refused lines; the rest is taken alike." in finding.evidence.facts
    assert 8 <= len(kept) < 10
    assert all(len(msgspec.json.encode(line)) < 1_500 for line in kept)
    assert [line.record["ts"] for line in kept] == [[]] * len(kept)


def test_personal_data_in_odd_refused_lines():
    """Halves of surrogate pairs, NUL, a nesting that Python's stack would not hold, names without end, broken JSON:
    each line with an address is counted once."""
    shown, done, _ = doctor_world.world(4, requests=600)
    mail = '"jane@example.org"'
    lines = [
        '{"a": "\\ud800", "\\ud800": ' + mail + "}",
        '{"a": "\\u0000 jane@example.org"}',
        '{"a": ' * 900 + mail + "}" * 900,
        "{" + ", ".join(f'"name{number}": "joe{number}@example.org"' for number in range(300)) + "}",
        '{"broken": ' + mail,
        '{"nothing": "here"}',
    ]
    [finding] = [
        each for each in examine(shown, [*done, *lines]).findings if each.subject == "outcomes refused e-mail"
    ]  # fmt: skip
    assert (finding.evidence.rows, finding.evidence.of) == (5, 6)

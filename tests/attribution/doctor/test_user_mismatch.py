"""Outcomes of another user than their exposure: each kind of fault is planted, counted to the row, and told by name."""

import random
from datetime import datetime, timedelta

import msgspec
import pytest

from doctor_findings import found, only, planted
from doctor_world import NOW, examine, pseudonym, stamp, write
from recsys.attribution import sources
from recsys.attribution.doctor.diagnose import diagnose
from recsys.attribution.policy import Policy
from recsys.eventlog.writing.index import Alias
from recsys.eventlog.writing.writer import LogSettings, LogWriter

NOON = "2026-02-03T12:00:00Z"


def instant(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def device(row):
    return row["context"]["device"]


def rename(rows, name, chosen=lambda row: True):
    """Gives the chosen rows another user_id; returns how many there are."""
    chosen = [row for row in rows if chosen(row)]
    for row in chosen:
        row["user_id"] = name(row)
    return len(chosen)


def raw(row):
    return f"shopper-{int(row['user_id'][:12], 16) % 10**7:07d}"


def other_salt(row):
    return pseudonym(row["user_id"], "another salt")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_healthy_log_is_silent(seed):
    """Logs without the fault give no finding."""
    assert examine(*planted(seed)).findings == []


def test_raw_ids_beside_pseudonyms():
    """All outcomes with raw ids: as many rows as there are, and the form of the ids without one of them."""
    shown, done, assigned = planted()
    n = rename(done, raw)
    finding = only(examine(shown, done, assigned), "user_mismatch", "raw_outcome")
    assert (finding.severity, finding.evidence.rows, finding.evidence.of) == ("serious", n, n)
    expected = "All outcomes carry raw user ids (15 letters, digits and marks) where their exposures carry 64-digit "
    assert finding.cause == expected + "pseudonyms."
    assert "recsys-eval hash" in finding.fix
    assert finding.effect is None
    assert not any(row["user_id"] in msgspec.json.encode(finding).decode() for row in done)


def test_raw_ids_in_a_part_of_the_log():
    """Raw ids of one device from a moment on: the rows, the device and the moment are told."""
    shown, done, assigned = planted()
    n = rename(done, raw, lambda row: device(row) == "app" and row["ts"] >= NOON)
    first = min(row["ts"] for row in done if not row["user_id"].islower() or "-" in row["user_id"])
    finding = only(examine(shown, done, assigned), "user_mismatch", "raw_outcome")
    assert finding.evidence.rows == n
    assert finding.evidence.onset == finding.evidence.first == instant(first)
    assert "of the outcomes of device=app carry raw user ids" in finding.cause
    assert ", since 2026-02-03 1" in finding.cause
    assert f"By device: app {n} of {sum(device(row) == 'app' for row in done)}, web 0 of" in finding.evidence.facts[2]


def test_pseudonyms_beside_raw_exposures():
    """Raw ids in the exposures, in the other direction."""
    shown, done, assigned = planted()
    rename(shown, lambda row: f"U{int(row['user_id'][:8], 16)}", lambda row: device(row) == "web")
    finding = only(examine(shown, done, assigned), "user_mismatch", "raw_exposure")
    assert finding.evidence.rows == sum(device(row) == "web" for row in done)
    assert finding.cause.startswith("Outcomes of device=web carry 64-digit pseudonyms where their exposures carry raw ")
    assert "EXPOSURE_HASH_SALT" in finding.fix


def test_one_raw_id_is_told():
    """A single raw id among pseudonyms is a warning: no such row is healthy."""
    shown, done, assigned = planted()
    done[5]["user_id"] = "jane-7"
    [finding] = examine(shown, done, assigned).findings
    assert (finding.severity, finding.subject, finding.evidence.rows) == ("warning", "raw_outcome", 1)


@pytest.mark.parametrize("seed", [1, 4])
def test_two_salts_from_a_moment_on(seed):
    """Another salt of the outcomes from a moment on: one for one, and the onset is the first such row."""
    shown, done, assigned = planted(seed)
    n = rename(done, other_salt, lambda row: row["ts"] >= NOON)
    finding = only(examine(shown, done, assigned), "user_mismatch", "hashed")
    assert finding.evidence.rows == n
    assert finding.evidence.onset == instant(min(row["ts"] for row in done if row["ts"] >= NOON))
    assert "one for one: the logs are of two salts, since 2026-02-03 1" in finding.cause
    assert "EXPOSURE_HASH_SALT_PREVIOUS" in finding.fix


def test_two_salts_up_to_a_moment():
    """A fault that was mended: the last row is told."""
    shown, done, assigned = planted()
    rename(done, other_salt, lambda row: row["ts"] < NOON)
    finding = only(examine(shown, done, assigned), "user_mismatch", "hashed")
    assert finding.evidence.onset is None
    last = instant(max(row["ts"] for row in done if row["ts"] < NOON))
    assert f"two salts, until {last:%Y-%m-%d %H:%M:%S} UTC" in finding.cause


def test_two_salts_all_along():
    """Two salts from the first row to the last."""
    shown, done, assigned = planted()
    n = rename(done, other_salt)
    finding = only(examine(shown, done, assigned), "user_mismatch", "hashed")
    assert (finding.evidence.rows, finding.evidence.onset) == (n, None)
    assert finding.cause == (
        "All outcomes carry other pseudonyms than their exposures, one for one: the logs are of two salts."
    )


def bought_later(shown, done, lists):
    """Adds purchases after noon from the last so many lists that were shown before it."""
    for row in [row for row in shown if row["ts"] < NOON][-lists:]:
        done.append(
            {
                "request_id": row["request_id"], "user_id": row["user_id"], "item_id": row["items"][0]["item_id"],
                "event_type": "conversion", "ts": stamp(instant(NOON) + timedelta(minutes=instant(row["ts"]).minute)),
            }
        )  # fmt: skip


@pytest.mark.parametrize("lists", [3, 12])
def test_a_new_salt_of_the_service(lists):
    """A service that begins to use another salt parts only the outcomes of lists that were shown before: a step, also
    where hardly anybody comes back, and where they are too few to be one by their number."""
    shown, done, assigned = planted(users=2_000)
    bought_later(shown, done, lists)
    for log in (shown, done, assigned):
        rename(log, other_salt, lambda row: row["ts"] >= NOON)
    shown_at = {row["request_id"]: row["ts"] for row in shown}
    n = sum(shown_at[row["request_id"]] < NOON <= row["ts"] for row in done)
    findings = found(examine(shown, done, assigned), "user_mismatch")
    assert findings["hashed"].evidence.rows == n >= lists
    assert findings["hashed"].evidence.onset == findings["hashed"].evidence.first
    assert "two salts, since 2026-02-03 12:" in findings["hashed"].cause


def test_a_moment_that_others_cross_is_no_step():
    """The same rows, of which every other one still names its user: no salt has changed."""
    shown, done, assigned = planted(users=2_000)
    bought_later(shown, done, 12)
    n = rename(done[-12::2], other_salt)
    findings = found(examine(shown, done, assigned), "user_mismatch")
    assert findings["hashed"].evidence.rows == n
    assert "two salts" not in findings["hashed"].cause


def test_clients_that_disagree():
    """Another id of the app's users all along, one for one; and app users that are now these, now those."""
    shown, done, assigned = planted()
    n = rename(done, other_salt, lambda row: device(row) == "app")
    finding = only(examine(shown, done, assigned), "user_mismatch", "hashed")
    assert finding.evidence.rows == n
    assert finding.cause == (
        "Outcomes of device=app carry other pseudonyms than their exposures, one for one: of another id or another "
        "salt, those of other device do not: the clients disagree on it."
    )
    shown, done, assigned = planted()
    n = rename(done, lambda row: pseudonym(row["ts"] + row["item_id"]), lambda row: device(row) == "app")
    finding = only(examine(shown, done, assigned), "user_mismatch", "hashed")
    assert finding.evidence.rows == n
    assert "the clients disagree" in finding.cause
    assert "one for one" not in finding.cause


def test_a_client_that_is_new_has_no_step_of_its_own():
    """An app that is there from noon on, and wrong all along: it began with the app, which is all there is to tell."""
    shown, done, assigned = planted()
    for row in (*shown, *done):
        if row["ts"] < NOON:
            row["context"] |= {"device": "web", "app_version": "web-118"}
    rename(done, raw, lambda row: device(row) == "app")
    finding = only(examine(shown, done, assigned), "user_mismatch", "raw_outcome")
    assert "Outcomes of device=app carry raw user ids" in finding.cause
    assert finding.evidence.onset is None


def test_clients_that_disagree_in_logs_without_pseudonyms():
    """The same where both logs hold raw ids, which is no fault by itself."""
    shown, done, assigned = planted()
    for log in (shown, done, assigned):
        rename(log, raw)
    assert examine(shown, done, assigned).findings == []
    n = rename(done, lambda row: f"d{row['user_id']}", lambda row: device(row) == "app")
    finding = only(examine(shown, done, assigned), "user_mismatch", "raw")
    assert finding.evidence.rows == n
    assert "Outcomes of device=app carry other user ids" in finding.cause


@pytest.mark.parametrize("constants", [["guest"], [pseudonym("null")], ["guest", "nobody"]])
def test_one_user_for_all(constants):
    """A default in the place of the user, or a few, in a third of the outcomes."""
    shown, done, assigned = planted()
    for place, row in enumerate(done[::3]):
        row["user_id"] = constants[place % len(constants)]
    finding = only(examine(shown, done, assigned), "user_mismatch", "one_outcome_user")
    assert finding.evidence.rows == len(done[::3])
    ids = "one and the same user_id" if len(constants) == 1 else "only 2 user_ids"
    assert f"carry {ids}: a default" in finding.cause
    assert not any(each in finding.cause for each in constants)


def test_one_user_of_all_exposures():
    """The same in the exposures of one device."""
    shown, done, assigned = planted()
    rename(shown, lambda row: pseudonym("null"), lambda row: device(row) == "app")
    finding = only(examine(shown, done, assigned), "user_mismatch", "one_exposure_user")
    assert finding.evidence.rows == sum(device(row) == "app" for row in done)


def test_users_mixed_up():
    """Now this, now that user: however few users there are and however many rows, nobody stands for all."""
    for users in (12, 140):
        shown, done, assigned = planted(users=users, requests=1_200)
        known = sorted({row["user_id"] for row in shown})
        choose = random.Random(3)
        n = rename(done[::4], lambda row: choose.choice([user for user in known if user != row["user_id"]]))  # noqa: B023
        finding = only(examine(shown, done, assigned), "user_mismatch", "hashed")
        assert finding.evidence.rows == n
        assert "name another user than their exposure, now this, now that one" in finding.cause


def test_users_who_do_not_come_back():
    """Whether two salts or a mix, cannot be told of users with one request each, and is not."""
    shown, done, assigned = planted()
    first = {}
    for row in done:
        first.setdefault(row["user_id"], row)
    n = rename(list(first.values())[::3], other_salt)
    finding = only(examine(shown, done, assigned), "user_mismatch", "hashed")
    assert finding.evidence.rows == n
    assert finding.cause.endswith("of the outcomes name another user than their exposure.")


def test_spelling_and_request_ids():
    """Ids that only differ in case or blanks, and request ids in the place of users: each is counted for itself."""
    shown, done, assigned = planted()
    spelt = rename(done[::4], lambda row: f" {row['user_id'].upper()}")
    stood_in = rename(done[1::4], lambda row: row["request_id"])
    findings = found(examine(shown, done, assigned), "user_mismatch")
    assert {subject: each.evidence.rows for subject, each in findings.items()} == {
        "spelling": spelt, "request_id": stood_in,
    }  # fmt: skip
    assert "in upper and lower case or in blanks only" in findings["spelling"].cause
    assert "carry their request_id in the place of the user_id" in findings["request_id"].cause


def test_the_anonymous_do_not_count():
    """Nobody differs from an exposure that knew nobody, marked or not; nor do duplicates count twice."""
    shown, done, assigned = planted()
    for row in shown:
        if device(row) == "app":
            row["user_id"] = row["request_id"]
            row["context"]["anonymous"] = "true"
    assert examine(shown, done, assigned).findings == []
    n = rename(done, other_salt, lambda row: device(row) == "web")
    finding = found(examine(shown, done + done, assigned), "user_mismatch")["hashed"]
    assert (finding.evidence.rows, finding.evidence.of) == (n, n)


def test_a_policy_that_refuses_loses_clicks():
    """Under a policy that refuses other users the effect is the clicks that they took along."""
    shown, done, assigned = planted()
    healthy = sum(row["event_type"] == "click" for row in done) / len(shown)
    rename(done, raw, lambda row: device(row) == "app")
    finding = only(
        examine(shown, done, assigned, policy=Policy(user_mismatch="refuse")), "user_mismatch", "raw_outcome"
    )
    assert finding.effect.metric == "ctr"
    assert finding.effect.as_logged < 0.7 * healthy
    assert finding.effect.without == pytest.approx(healthy)


def test_small_logs():
    """A log without outcomes, and one of one row that is wrong."""
    shown, done, assigned = planted()
    assert "user_mismatch" not in {each.detector for each in examine(shown, [], assigned).findings}
    row = {**done[0], "user_id": "jane"}
    [finding] = found(examine(shown, [row], assigned), "user_mismatch").values()
    assert (finding.severity, finding.evidence.rows, finding.evidence.of) == ("serious", 1, 1)


def test_limits():
    """Under the limit that a YAML gives it is silent, and over the other one serious."""
    shown, done, assigned = planted()
    rename(done[::20], other_salt)
    for limits, severity in (
        ("warning: 0.1, serious: 0.2", None),
        ("warning: 0.01, serious: 0.02", "serious"),
        ("serious: 0.2", "warning"),
    ):
        findings = found(examine(shown, done, assigned, thresholds=f"user_mismatch: {{{limits}}}"), "user_mismatch")
        assert {each.severity for each in findings.values()} == ({severity} if severity else set())


def test_a_new_salt_whose_aliases_are_known_is_silent(tmp_path):
    """Two salts, of which the log's index tells who is who, are one; without the index they are two."""
    shown, done, assigned = planted()
    users = {row["user_id"] for row in shown}
    rename(done, other_salt, lambda row: row["ts"] >= NOON)
    log = LogWriter(LogSettings(path=f"{tmp_path}/outcomes/"), log="outcome", writer="w1")
    log.open()
    for user in users:
        log.note_alias(Alias(previous=user, current=pseudonym(user, "another salt")))
    log.append(*(msgspec.json.encode(row) for row in done))
    log.close()
    exposures, assignments = write(tmp_path / "e.jsonl", shown), write(tmp_path / "a.jsonl", assigned)
    named = sources.from_options([exposures], [f"{tmp_path}/outcomes"], [assignments])

    def subjects():
        diagnosis = diagnose(named, policy=Policy(), thresholds=None, now=NOW)
        return set(found(diagnosis, "user_mismatch"))

    assert subjects() == set()
    for index in (tmp_path / "outcomes").glob("*.index"):
        index.unlink()
    assert subjects() == {"hashed"}

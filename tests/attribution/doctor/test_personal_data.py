"""Personal data planted in every place of the logs: each row is counted, its lines are found, and no value is told."""

import json
from pathlib import Path

import msgspec
import pytest

from doctor_findings import found, only, planted
from doctor_world import examine

VALUES = {
    "e-mail": [f"jane.doe{n}@example.org" for n in range(20)],
    "phone": [f"+49 30 5550{n:02d}{n:02d}" for n in range(20)],
    "card": [
        "4111111111111111", "4012888888881881", "5555555555554444", "5105105105105100", "378282246310005",
        "371449635398431", "6011111111111117", "6011000990139424", "3530111333300000", "30569309025904",
    ],
    "IBAN": ["DE89370400440532013000", "GB29NWBK60161331926819", "FR1420041010050500013M02606"],
    "IPv4": [f"{n + 80}.{n * 7 % 255}.{n * 11 % 255}.{n + 1}" for n in range(20)],
    "IPv6": [f"2001:db8:85a3::8a2e:370:{n + 4096:x}" for n in range(20)],
}  # fmt: skip


def plant(rows, kind, put):
    """Gives each row one of the values, in turn; returns how many rows."""
    for place, row in enumerate(rows):
        put(row, VALUES[kind][place % len(VALUES[kind])])
    return len(rows)


def in_context(key):
    def put(row, value):
        row["context"][key] = value

    return put


def as_user(row, value):
    row["user_id"] = value


def lines(finding, folder):
    """What stands at the sample lines of a finding."""
    for sample in finding.evidence.samples:
        assert Path(sample.file).parent == folder
        yield json.loads(Path(sample.file).read_text(encoding="utf-8").splitlines()[sample.line - 1])


def said(diagnosis):
    return msgspec.json.encode(diagnosis).decode()


def test_a_healthy_log_is_silent():
    """Request ids, item ids, pseudonyms, versions and variants are no personal data."""
    assert found(examine(*planted(5)), "personal_data") == {}


@pytest.mark.parametrize("kind", VALUES)
def test_each_kind_in_a_context_key(kind, tmp_path):
    """A context key that no relation holds: rows to the number, sample lines, and not one value in what is said."""
    shown, done, assigned = planted()
    n = plant(shown[::3], kind, in_context("client"))
    diagnosis = examine(shown, done, assigned, folder=tmp_path)
    finding = only(diagnosis, "personal_data", f"exposures.context.client {kind}")
    assert (finding.severity, finding.evidence.rows, finding.evidence.of) == ("serious", n, len(shown))
    assert finding.cause.startswith("context.client of exposures holds ")
    samples = list(lines(finding, tmp_path))
    assert len(samples) == 3
    assert all(row["context"]["client"] in VALUES[kind] for row in samples)
    assert not any(value in said(diagnosis) for value in VALUES[kind])
    assert not any("client" in fact for fact in finding.evidence.facts)


def test_a_key_of_the_relations_is_told_by_place_and_time(tmp_path):
    """Of a key that the relations hold also who and when: the app's outcomes from a moment on."""
    shown, done, assigned = planted()
    late = [row for row in done if row["context"]["device"] == "app" and row["ts"] >= "2026-02-03T12"]
    n = plant(late, "e-mail", in_context("contact"))
    diagnosis = examine(shown, done, assigned, folder=tmp_path)
    finding = only(diagnosis, "personal_data", "outcomes.context.contact e-mail")
    assert finding.evidence.rows == n
    assert finding.evidence.first.strftime("%d") >= "03"
    assert "mostly of" in finding.cause
    assert ", since 2026-02-03 1" in finding.cause
    assert all("@" in row["context"]["contact"] for row in lines(finding, tmp_path))
    assert not any(value in said(diagnosis) for value in VALUES["e-mail"])


def test_raw_users_of_all_logs(tmp_path):
    """E-mail addresses as user ids of all three logs: one finding a log, and no other, for the users still agree."""
    shown, done, assigned = planted()
    names = {row["user_id"]: f"jane{place}@example.org" for place, row in enumerate(shown)}
    for row in (*shown, *done, *assigned):
        row["user_id"] = names[row["user_id"]]
    diagnosis = examine(shown, done, assigned, folder=tmp_path)
    logs = {"exposures": shown, "outcomes": done, "assignments": assigned}
    findings = found(diagnosis, "personal_data")
    assert {subject: each.evidence.rows for subject, each in findings.items()} == {
        f"{log}.user_id e-mail": len(rows) for log, rows in logs.items()
    }
    assert {each.detector for each in diagnosis.findings} == {"personal_data"}
    assert not any(name in said(diagnosis) for name in names.values())
    assert all("@" in row["user_id"] for each in findings.values() for row in lines(each, tmp_path))


def test_raw_users_beside_pseudonyms_are_one_finding():
    """Raw addresses of outcomes beside pseudonyms: the mismatch is the cause, and explains them."""
    shown, done, assigned = planted()
    plant(done, "e-mail", as_user)
    finding = only(examine(shown, done, assigned), "user_mismatch", "raw_outcome")
    assert [each.subject for each in finding.nested] == ["outcomes.user_id e-mail"]
    assert finding.nested[0].evidence.rows == len(done)


def test_a_part_of_a_column(tmp_path):
    """Some users of a column: the rows of these values, however often each comes, and their lines."""
    shown, done, assigned = planted()
    for row in (*shown, *done, *assigned):
        if row["user_id"] < "4":
            row["user_id"] = f"{row['user_id'][:9]}@example.org"
    findings = found(examine(shown, done, assigned, folder=tmp_path), "personal_data")
    for log, rows in (("exposures", shown), ("outcomes", done), ("assignments", assigned)):
        finding = findings[f"{log}.user_id e-mail"]
        assert finding.evidence.rows == sum("@" in row["user_id"] for row in rows)
        assert len(finding.evidence.samples) == 3
        assert all("@" in row["user_id"] for row in lines(finding, tmp_path))


def test_an_address_that_looks_like_a_uuid_is_read():
    """36 characters, four of them no hex digits: only those of a UUID are passed over."""
    shown, done, assigned = planted()
    shown[0]["user_id"] = "0aa-00aa00aa00aa00aa00aa@bad.cafe.de"
    assert len(shown[0]["user_id"]) == 36
    assert found(examine(shown, done, assigned), "personal_data")["exposures.user_id e-mail"].evidence.rows == 1


@pytest.mark.parametrize("column", ["request_id", "event_id", "item_id"])
def test_other_ids(column):
    """Addresses within request, event and item ids."""
    shown, done, assigned = planted()
    if column == "item_id":
        for row in shown:
            row["items"][0]["item_id"] = f"{row['request_id']}@example.org"
        expected, n = "exposures.item_id e-mail", len(shown)
    elif column == "event_id":
        for row in done[::2]:
            row["event_id"] = f"{row['event_id']}@example.org"
        expected, n = "outcomes.event_id e-mail", len(done[::2])
    else:
        for row in (*shown, *done, *assigned):
            row["request_id"] = f"{row['request_id']}@example.org"
        expected, n = "outcomes.request_id e-mail", len(done)
    finding = found(examine(shown, done, assigned), "personal_data")[expected]
    assert (finding.severity, finding.evidence.rows) == ("serious", n)


def test_two_kinds_in_one_column():
    """One finding a kind."""
    shown, done, assigned = planted()
    mails = plant(shown[::4], "e-mail", in_context("note"))
    phones = plant(shown[1::4], "phone", in_context("note"))
    findings = found(examine(shown, done, assigned), "personal_data")
    assert {subject: each.evidence.rows for subject, each in findings.items()} == {
        "exposures.context.note e-mail": mails, "exposures.context.note phone": phones,
    }  # fmt: skip


def test_keys_of_contexts(tmp_path):
    """An address that is a key, which is not told either."""
    shown, done, assigned = planted()
    for row in done[:7]:
        row["context"]["jane@example.org"] = "yes"
    for row in done[7:9]:
        row["context"]["jane@example.org"] = "joe@example.org"
    diagnosis = examine(shown, done, assigned, folder=tmp_path)
    finding = found(diagnosis, "personal_data")["outcomes.context keys e-mail"]
    assert finding.evidence.rows == 9
    assert all("jane@example.org" in row["context"] for row in lines(finding, tmp_path))
    assert "example.org" not in said(diagnosis)


def test_lines_that_validation_refused():
    """Addresses in lines that are no valid outcome, or no JSON at all, are in the log all the same."""
    shown, done, assigned = planted()
    bad = ['{"user_id": "jane@example.org", "request_id"', "jane@example.org clicked", json.dumps({"user_id": 7})]
    bad += [json.dumps({**done[0], "ts": "yesterday", "context": {"mail": "joe@example.org"}})]
    bad += [json.dumps({**done[0], "ts": "yesterday", "context": {"ann@example.org": "yes"}})]
    diagnosis = examine(shown, [*done, *bad], assigned)
    finding = found(diagnosis, "personal_data")["outcomes refused e-mail"]
    assert (finding.evidence.rows, finding.evidence.of) == (4, 5)
    assert {sample.line for sample in finding.evidence.samples} == {len(done) + 1, len(done) + 2, len(done) + 4}
    assert "example.org" not in said(diagnosis)


def test_limits():
    """Fewer distinct values than a YAML asks for are silent."""
    shown, done, assigned = planted()
    plant(shown[:5], "e-mail", in_context("note"))
    assert examine(shown, done, assigned, thresholds="personal_data: {values: 6}").findings == []
    assert len(examine(shown, done, assigned, thresholds="personal_data: {values: 5}").findings) == 1


def test_small_logs():
    """Logs without rows, and one row."""
    _, done, _ = planted()
    assert found(examine([], []), "personal_data") == {}
    row = {**done[0], "user_id": "jane@example.org"}
    assert found(examine([], [row]), "personal_data")["outcomes.user_id e-mail"].evidence.rows == 1

"""Exposures that know nobody: unmarked ones to the row, and marked ones where they are the most part."""

from doctor_findings import found, only, planted
from doctor_world import examine, stamp


def unmark(rows, chosen):
    """Puts the request_id in the place of the user; returns how many rows."""
    chosen = [row for row in rows if chosen(row)]
    for row in chosen:
        row["user_id"] = row["request_id"]
    return len(chosen)


def test_a_healthy_log_is_silent():
    """There is no finding where some exposures are anonymous and say so."""
    shown, done, assigned = planted()
    for row in shown[::3]:
        row["user_id"] = row["request_id"]
        row["context"]["anonymous"] = "true"
    assert found(examine(shown, done, assigned), "anonymous_identity") == {}


def test_request_ids_in_the_place_of_users():
    """Each exposure whose user_id is its request_id is counted, with its outcomes and its device; not those before them
    that are marked."""
    shown, done, assigned = planted()
    for row in shown[:9]:
        row["user_id"] = row["request_id"]
        row["context"] |= {"anonymous": "true", "device": "web"}
    n = unmark(shown, lambda row: row["context"]["device"] == "app")
    unmarked = {row["request_id"] for row in shown[9:] if row["user_id"] == row["request_id"]}
    theirs = sum(row["request_id"] in unmarked for row in done)
    finding = only(examine(shown, done, assigned), "anonymous_identity", "unmarked")
    assert (finding.severity, finding.evidence.rows, finding.evidence.of) == ("serious", n, len(shown))
    assert finding.evidence.log == "exposures"
    assert stamp(finding.evidence.first) == min(row["ts"] for row in shown[9:] if row["user_id"] == row["request_id"])
    assert "have only their request_id for a user_id" in finding.cause
    assert finding.cause.endswith("mostly of device=app.")
    assert f"{theirs} outcomes belong to them." in finding.evidence.facts


def test_one_among_many_and_its_onset():
    """A single one is a warning; those of the last day are told with their first instant."""
    shown, done, assigned = planted()
    unmark(shown[:1], lambda row: True)
    [finding] = examine(shown, done, assigned).findings
    assert (finding.severity, finding.evidence.rows) == ("warning", 1)
    shown, done, assigned = planted()
    n = unmark(shown, lambda row: row["ts"] >= "2026-02-04")
    finding = only(examine(shown, done, assigned), "anonymous_identity", "unmarked")
    assert finding.evidence.rows == n
    first = min(row["ts"] for row in shown if row["ts"] >= "2026-02-04")
    assert stamp(finding.evidence.onset) == first


def test_redeliveries_count_once():
    """A list that is in the log twice is one exposure."""
    shown, done, assigned = planted()
    n = unmark(shown, lambda row: row["request_id"].endswith("3"))
    finding = found(examine(shown + shown, done, assigned), "anonymous_identity")["unmarked"]
    assert (finding.evidence.rows, finding.evidence.of) == (n, len(shown))


def test_mostly_anonymous():
    """A log of which most is anonymous is a warning, and its limit can be changed."""
    shown, done, assigned = planted()
    for row in shown:
        if not row["request_id"].endswith("1"):
            row["user_id"] = row["request_id"]
            row["context"]["anonymous"] = "true"
    n = sum("anonymous" in row["context"] for row in shown)
    [finding] = examine(shown, done, assigned).findings
    assert (finding.severity, finding.subject, finding.evidence.rows) == ("warning", "marked", n)
    assert f"{len(shown) - n} exposures are left for figures by user." in finding.evidence.facts
    limits = "anonymous_identity: {anonymous_warning: 0.95}"
    assert examine(shown, done, assigned, thresholds=limits).findings == []


def test_all_exposures_and_none():
    """Every row wrong; and no row at all."""
    shown, done, assigned = planted()
    unmark(shown, lambda row: True)
    finding = only(examine(shown, done, assigned), "anonymous_identity", "unmarked")
    assert finding.evidence.rows == len(shown)
    assert finding.cause.startswith("All exposures have only")
    assert found(examine([], done), "anonymous_identity") == {}

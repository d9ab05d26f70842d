"""One request_id for several lists: how many exposures, how they came to share it, and what is lost."""

import pytest

from doctor_findings import found, only, planted
from doctor_world import examine, stamp


def share(logs, chosen, name):
    """Gives the chosen exposures, and what belongs to them, the request_id that ``name`` makes of them."""
    shown, done, assigned = logs
    ids = {row["request_id"]: name(row) for row in shown if chosen(row)}
    for row in (*shown, *done, *assigned):
        row["request_id"] = ids.get(row["request_id"], row["request_id"])
    counted = [row["request_id"] for row in shown]
    shared = {each for each in set(ids.values()) if counted.count(each) > 1}
    return sum(each in shared for each in counted), sum(row["request_id"] in shared for row in done)


def on_app(row):
    return row["context"]["device"] == "app"


def test_a_healthy_log_is_silent():
    """Redeliveries of one list are no finding."""
    shown, done, assigned = planted()
    assert found(examine(shown + shown[::5], done, assigned), "ambiguous_requests") == {}


WAYS = {
    "one and the same id for many users' requests": lambda row: "static",
    "keeps one id for a session or a page": lambda row: f"s-{row['user_id'][:12]}",
    "several users' requests were given the same ids": lambda row: f"n-{int(row['request_id'][-4:]) // 4}",
}


@pytest.mark.parametrize("way", WAYS)
def test_how_an_id_came_to_be_shared(way):
    """A constant, an id for a session, too few ids: exposures and lost outcomes to the row, and the way."""
    logs = planted()
    n, lost = share(logs, on_app, WAYS[way])
    before = sum(on_app(row) for row in logs[1])
    finding = only(examine(*logs), "ambiguous_requests")
    assert (finding.severity, finding.evidence.rows, finding.evidence.of) == ("serious", n, len(logs[0]))
    assert way in finding.cause
    assert "mostly of device=app" in finding.cause
    assert f"{lost} outcomes are attributed to no list for it." in finding.evidence.facts
    assert 0 < lost <= before
    assert "match_rate" in {each.detector for each in finding.nested}


def test_retries_that_were_ranked_anew():
    """A second list of the same user within seconds: what the click-through rate would be without it."""
    shown, done, assigned = planted()
    healthy = sum(row["event_type"] == "click" for row in done) / len(shown)
    again = [{**row, "items": row["items"][1:] + row["items"][:1]} for row in shown[::10]]
    for row in again:
        row["items"] = [{"item_id": item["item_id"], "rank": rank} for rank, item in enumerate(row["items"], 1)]
    finding = only(examine(shown + again, done, assigned), "ambiguous_requests")
    assert finding.evidence.rows == 2 * len(again)
    assert "requests were sent again with their id, and ranked anew" in finding.cause
    assert finding.effect.as_logged < healthy
    assert finding.effect.without == pytest.approx(healthy)


def test_ids_of_two_tenants():
    """Logs of two tenants that number their requests alike."""
    logs, other = planted(), planted(users=150)
    for row in other[0]:
        row["context"]["tenant_id"] = "other"
        row["items"].reverse()
        for rank, item in enumerate(row["items"], 1):
            item["rank"] = rank
    ids = {row["request_id"] for row in other[0][:50]}
    both = [*logs[0], *(row for row in other[0] if row["request_id"] in ids)]
    finding = only(examine(both, logs[1], logs[2]), "ambiguous_requests")
    assert finding.evidence.rows == 100
    assert "logs of several tenants use the same ids" in finding.cause


def test_a_few_among_many():
    """One shared id is a warning; a log in which it is 1 in 20,000 would be silent."""
    logs = planted()
    n, _ = share(logs, lambda row: row["request_id"][-3:] in {"010", "020"}, lambda row: "twice")
    assert n == 2
    [finding] = [each for each in examine(*logs).findings if each.detector == "ambiguous_requests"]
    assert (finding.severity, finding.evidence.rows) == ("warning", 2)
    limits = "ambiguous_requests: {warning: 0.01}"
    assert found(examine(*logs, thresholds=limits), "ambiguous_requests") == {}


def test_when_it_began():
    """Of a client that began to keep its id the first such list is told."""
    logs = planted()
    share(logs, lambda row: row["ts"] >= "2026-02-03T06", lambda row: f"s-{row['user_id'][:8]}")
    counted = [row["request_id"] for row in logs[0]]
    first = min(row["ts"] for row in logs[0] if counted.count(row["request_id"]) > 1)
    finding = only(examine(*logs), "ambiguous_requests")
    assert stamp(finding.evidence.onset) == first


def test_all_exposures():
    """One id for everything."""
    logs = planted()
    n, _ = share(logs, lambda row: True, lambda row: "0")
    finding = only(examine(*logs), "ambiguous_requests")
    assert finding.evidence.rows == n == len(logs[0])
    assert finding.cause.startswith("All exposures share their request_id with another list")

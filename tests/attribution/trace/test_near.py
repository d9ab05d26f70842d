"""An id that no row has: what resembles it, and what there is to check."""

from datetime import UTC, datetime, timedelta

import pytest

from recsys.attribution.trace import near

DAY = datetime(2026, 2, 5, 10, tzinfo=UTC)


def row(request, ts="2026-02-05T10:00:00Z"):
    return {"request_id": request, "user_id": "u", "ts": ts, "items": []}


@pytest.mark.parametrize(
    ("asked", "logged", "difference"),
    [
        ("REQ-abc-17", "req-abc-17", "upper and lower case"),
        ("req-abc-17", "REQ-ABC-17", "upper and lower case"),
        ("req-abc-17", "Req-abc-17", "upper and lower case"),
        ("req-abc-17 ", "req-abc-17", "white space or punctuation around it"),
        ('"req-abc-17",', "req-abc-17", "white space or punctuation around it"),
        ("req-abc-17", " req-abc-17", "white space or punctuation around it"),
        ("req-abc-1", "req-abc-17", "length: it is 1 character longer"),
        ("abc-17", "req-abc-17", "length: it is 4 characters longer"),
        ("req-abc-1723", "req-abc-17", "length: it is 2 characters shorter"),
        ("req-abd-17", "req-abc-17", "some characters"),
    ],
)
def test_ids_that_resemble_it(traced, asked, logged, difference):
    """Are found in any log, and told with how they differ; ids that do not resemble it are not."""
    for logs in ([row(logged), row("else")], []), ([], [_outcome(logged), _outcome("other")]):
        made = traced(asked, *logs)
        assert made.status == "unknown"
        assert made.headline == "no row of these logs has this id"
        assert [(found.request_id, found.difference) for found in made.near] == [(logged, difference)]
        assert "resemble" in " ".join(made.checks)
    assert traced(asked, [row("x" * 40)], []).near == []


def _outcome(request):
    ts = "2026-02-05T10:00:00Z"
    return {"request_id": request, "user_id": "u", "item_id": "a", "event_type": "click", "ts": ts}


def test_the_nearest_come_first():
    """Other case before a part of it before other characters; no more than a handful."""
    found = near.nearest(
        "req-abc-17", ["req-abx-17", "req-abc-179", "REQ-abc-17", *(f"req-abc-{n}7" for n in range(2, 9))]
    )
    assert [each.request_id for each in found][:2] == ["REQ-abc-17", "req-abc-179"]
    assert len(found) == near.MOST


def uuid7(moment: datetime) -> str:
    hexed = f"{int(moment.timestamp() * 1000):012x}7abc8def0123456789ab"
    return "-".join((hexed[:8], hexed[8:12], hexed[12:16], hexed[16:20], hexed[20:]))


def test_an_id_that_says_when_it_was_made(traced):
    """A UUIDv7 outside of the time of the logs asks for other files; inside of it the time is told all the same."""
    logs = [row("first", "2026-02-05T00:00:00Z"), row("middle"), row("last", "2026-02-05T23:00:00Z")]
    outside = traced(uuid7(DAY + timedelta(days=1)), logs).checks[0]
    assert outside == (
        "The id was made at 2026-02-06 10:00:00 UTC, and the exposures are from 2026-02-05 00:00:00 UTC to "
        "2026-02-05 23:00:00 UTC: give the files of that day."
    )
    assert (
        traced(uuid7(DAY), logs).checks[0].startswith("The id was made at 2026-02-05 10:00:00 UTC; the exposures are")
    )
    assert traced("anything", logs).checks[0].startswith("Is that the right time? The exposures are from 2026-02-05 00")
    assert traced(uuid7(DAY), []).checks[0] == "The id was made at 2026-02-05 10:00:00 UTC."
    for none in ("x", "675a8f54-5a1f-41e4-bad4-8ddfb6f89000", "ffffffff-ffff-7fff-8fff-ffffffffffff"):
        assert near.made_at(none) is None

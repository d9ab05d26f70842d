"""Times at which lists are shown and no outcome comes, of all or of a context value; and healthy, uneven logs."""

from datetime import datetime, timedelta

import numpy as np
import pytest

from doctor_world import START, examine, pseudonym, stamp

HOUR = 3_600
DAY = 24 * HOUR


def shop(seed=1, *, requests=2_000, days=3, rate=0.3, traffic=None, delay=None):
    """Lists over days with a traffic (seconds since the start → how likely a list is kept), clicked with a rate (a
    number, or a function of the seconds and the device) after a delay in seconds (a function of a generator)."""
    rng = np.random.default_rng([seed, 5])
    shown, done, number = [], [], 0
    while len(shown) < requests:
        at, device = float(rng.random()) * days * DAY, ("web", "app")[int(rng.integers(2))]
        if traffic is not None and rng.random() >= traffic(at):
            continue
        number += 1
        row = {"request_id": f"r{seed}-{number}", "user_id": pseudonym(int(rng.integers(600)))}
        context = {"tenant_id": "shop", "surface": "home", "device": device}
        items = [f"item-{item}" for item in rng.choice(300, 5, replace=False)]
        listed = [{"item_id": item, "rank": rank} for rank, item in enumerate(items, 1)]
        moment = START + timedelta(seconds=round(at, 3))
        shown.append({**row, "ts": stamp(moment), "context": context, "items": listed})
        if rng.random() < (rate(at, device) if callable(rate) else rate):
            later = moment + timedelta(seconds=round(float((delay or seconds_later)(rng)), 3))
            done.append({**row, "item_id": items[0], "event_type": "click", "ts": stamp(later), "context": {}})
    return sorted(shown, key=lambda row: row["ts"]), sorted(done, key=lambda row: row["ts"])


def seconds_later(rng):
    return rng.lognormal(2.5, 1.0)


def at(hours):
    return stamp(START + timedelta(hours=hours))


def test_outcomes_end():
    """None comes in the last third: the lists from the last outcome on, the onset, and the figure of before."""
    shown, done = shop()
    kept = [row for row in done if row["ts"] < at(48)]
    [finding] = examine(shown, kept).findings
    assert (finding.detector, finding.severity) == ("only_outcomes", "serious")
    assert finding.cause.startswith("There is hardly any outcome from ")
    assert finding.evidence.rows == sum(row["ts"] > kept[-1]["ts"] for row in shown)
    assert abs((finding.evidence.onset - START) / timedelta(hours=1) - 48) < 0.5
    assert finding.effect.without == pytest.approx(len(done) / len(shown), rel=0.1)


def test_two_outages_and_a_client():
    """Two half days without outcomes, and none of the app in the last day: three findings with their bounds."""
    shown, done = shop(2, requests=4_000, days=5)
    of = {row["request_id"]: row["context"]["device"] for row in shown}
    kept = [
        row for row in done
        if not (at(20) <= row["ts"] < at(32) or at(60) <= row["ts"] < at(72))
        and not (of[row["request_id"]] == "app" and row["ts"] >= at(96))
    ]  # fmt: skip
    found = examine(shown, kept).findings
    told = sorted(
        (each.subject.split(" since ")[0], round((each.evidence.onset - START) / timedelta(hours=1))) for each in found
    )
    assert told == [("outcome", 20), ("outcome", 60), ("outcome of device=app", 96)]
    for each in found:
        answered = 0.3 * each.evidence.rows
        assert each.effect.without == pytest.approx((len(kept) + answered) / len(shown), rel=0.03)


def test_clicks_end_and_conversions_do_not():
    """Of each click comes a conversion: where clicks are no longer logged, that is told of clicks."""
    shown, done = shop()
    bought = [{**row, "event_type": "conversion"} for row in done]
    [finding] = examine(shown, [row for row in done if row["ts"] < at(48)] + bought).findings
    assert finding.subject.startswith("click since 2026-02-03 23:")


def test_outcomes_begin_later():
    """The outcomes of the first day are not given: told with its end."""
    shown, done = shop()
    [finding] = examine(shown, [row for row in done if row["ts"] >= at(24)]).findings
    assert finding.subject.startswith("outcome until 2026-02-03 00:")
    assert finding.evidence.onset is None


@pytest.mark.parametrize(
    "uneven",
    [
        {"traffic": lambda at: 1.0 if 9 <= at / HOUR % 24 < 21 else 0.01},
        {"rate": lambda at, _: 0.3 if 9 <= at / HOUR % 24 < 21 else 0.1},
        {"rate": lambda _, device: 0.5 if device == "web" else 0.06},
        {"delay": lambda rng: rng.exponential(0.5 * DAY)},
        {"traffic": lambda at: 1.0 if at > 2.99 * DAY else 0.002, "delay": lambda rng: rng.exponential(0.2 * DAY)},
    ],
)
def test_silence(uneven):
    """Closed nights, nights with a third of the rate, a client that is rarely answered, slow answers, and a mailing
    just before the log ends, whose answers are under way."""
    shown, done = shop(3, **uneven)
    end = at(72)
    found = examine(shown, [row for row in done if row["ts"] < end])
    assert not [each for each in found.findings if each.detector == "only_outcomes"]


def test_answers_that_are_elsewhere():
    """The app's outcomes have no request_id, or another, since a moment: that they are missing is not told as well."""
    shown, done = shop()
    of = {row["request_id"]: row["context"]["device"] for row in shown}
    for wrong, detector in ((None, "missing_request_id"), ("x", "match_rate")):
        rows = [
            {**row, "request_id": wrong and f"{wrong}{place}"}
            if of[row["request_id"]] == "app" and row["ts"] >= at(36) else row
            for place, row in enumerate(done)
        ]  # fmt: skip
        assert [each.detector for each in examine(shown, rows).findings] == [detector]


def test_a_clock_that_jumps():
    """Since a moment the outcomes are 4 hours ahead, so for that long none comes: the clock is told, no silence."""
    shown, done = shop(requests=3_000)
    later = timedelta(hours=4)
    when = {row["request_id"]: row["ts"] for row in shown}
    rows = [
        {**row, "ts": stamp(datetime.fromisoformat(row["ts"]) + later)} if when[row["request_id"]] >= at(36) else row
        for row in done
    ]
    assert [each.detector for each in examine(shown, rows).findings] == ["clock_skew"]

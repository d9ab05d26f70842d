"""Healthy streams that are cut: at the beginning come outcomes of lists that were shown before."""

from datetime import timedelta

import numpy as np
import pytest

from doctor_world import START, examine, pseudonym, stamp

DAY = 86_400


def stream(seed=1, *, requests=4_000, days=6, conversion_s=0.5 * DAY):
    """Lists over days, a click on each fifth within a minute, and a conversion of each fifth click later."""
    rng = np.random.default_rng([seed, 9])
    shown, done = [], []
    for number, at in enumerate(np.sort(rng.random(requests)) * days * DAY):
        moment = START + timedelta(seconds=round(float(at), 3))
        row = {"request_id": f"r{number}", "user_id": pseudonym(int(rng.integers(600))), "ts": stamp(moment)}
        items = [f"item-{item}" for item in rng.choice(300, 5, replace=False)]
        context = {"tenant_id": "shop", "surface": "home", "device": ("web", "app")[int(rng.integers(2))]}
        listed = [{"item_id": item, "rank": rank} for rank, item in enumerate(items, 1)]
        shown.append({**row, "context": context, "items": listed})
        if rng.random() < 0.2:
            click = moment + timedelta(seconds=round(float(rng.lognormal(2.5, 0.7)), 3))
            event = {**row, "item_id": items[0], "context": {"device": context["device"]}}
            done.append({**event, "event_type": "click", "ts": stamp(click)})
            if rng.random() < 0.2:
                bought = click + timedelta(seconds=round(float(rng.exponential(conversion_s)), 3))
                done.append({**event, "event_type": "conversion", "value": 9.5, "ts": stamp(bought)})
    return shown, sorted(done, key=lambda row: row["ts"])


def cut(logs, since, until=99.0):
    """The rows of these days."""
    first, last = stamp(START + timedelta(days=since)), stamp(START + timedelta(days=until))
    return tuple([row for row in log if first <= row["ts"] < last] for log in logs)


@pytest.mark.parametrize(
    ("since", "until", "conversion_s"),
    [(2, 3, 0.5 * DAY), (3, 4, 0.5 * DAY), (2, 4, DAY), (1, 6, 0.5 * DAY), (2, 6, 1.5 * DAY)],
)
def test_days_of_a_stream(since, until, conversion_s):
    """Conversions come up to days late: a day, two, five get a clean bill, though the match rate is not 1."""
    found = examine(*cut(stream(conversion_s=conversion_s), since, until))
    assert found.findings == []
    assert found.bill.match_rate < 1


def test_a_fault_after_a_cut():
    """Conversions have other ids since a moment of a cut log: told of them, with the onset, and what is left out."""
    shown, done = cut(stream(conversion_s=0.1 * DAY), 1)
    since = stamp(START + timedelta(days=3))
    altered = [row for row in done if row["event_type"] == "conversion" and row["ts"] >= since]
    rows = [row | {"request_id": "x" + row["request_id"]} if row in altered else row for row in done]
    [finding] = examine(shown, rows).findings
    assert (finding.detector, finding.evidence.rows) == ("match_rate", len(altered))
    assert "of event_type=conversion falls at" in finding.cause
    assert stamp(finding.evidence.onset) == altered[0]["ts"]
    assert any(fact.startswith("Left out of these rates") for fact in finding.evidence.facts)
    assert finding.effect is None


@pytest.mark.parametrize(("hours", "severity"), [(0.1, None), (4, "warning"), (48, "serious")])
def test_outcomes_of_before_the_exposures(hours, severity):
    """The outcomes begin earlier than the exposures: silence for minutes; told with both instants for hours."""
    shown, done = stream()
    first = stamp(START + timedelta(hours=hours))
    found = examine([row for row in shown if row["ts"] >= first], done)
    assert [(each.detector, each.subject, each.severity) for each in found.findings] == (
        [("only_outcomes", "before the exposures", severity)] if severity else []
    )
    for finding in found.findings:
        assert finding.evidence.rows == sum(row["ts"] < first for row in done)
        assert finding.cause.startswith("The outcomes begin at 2026-02-02 00:")


def test_conversions_that_never_match():
    """None finds its list: no delay is known, and nothing is left out."""
    shown, done = cut(stream(), 2, 3)
    rows = [
        row | {"request_id": f"x{place}"} if row["event_type"] == "conversion" else row
        for place, row in enumerate(done)
    ]
    [finding] = examine(shown, rows).findings
    assert (finding.detector, finding.severity) == ("match_rate", "serious")
    assert finding.evidence.rows == sum(row["event_type"] == "conversion" for row in done)

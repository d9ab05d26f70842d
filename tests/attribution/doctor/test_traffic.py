"""Repetitions, traffic that is nobody's, experiments and propensities."""

from datetime import datetime, timedelta

import numpy as np
import pytest

import doctor_world
from doctor_world import examine, pseudonym, stamp

VARIANTS = ("A", "B")


@pytest.fixture(scope="module")
def healthy():
    return doctor_world.world(9)


def causes(diagnosis, severity="serious"):
    return [(finding.detector, finding.subject) for finding in diagnosis.findings if finding.severity == severity]


def one(diagnosis, detector, severity="serious"):
    """The one finding, which is this detector's and of this severity."""
    assert [(finding.detector, finding.severity) for finding in diagnosis.findings] == [(detector, severity)]
    return diagnosis.findings[0]


def moved(row, seconds):
    return {**row, "ts": stamp(datetime.fromisoformat(row["ts"]) + timedelta(seconds=seconds))}


def test_outcomes_delivered_again(healthy):
    """Every fortieth outcome is there twice: a warning with the count, as a redelivery."""
    exposures, outcomes, _ = healthy
    finding = one(examine(exposures, outcomes + outcomes[::40]), "duplicates", "warning")
    assert (finding.subject, finding.evidence.rows) == ("redelivery", len(outcomes[::40]))


def test_outcomes_sent_again(healthy):
    """A third of the outcomes is sent again under new event ids: serious, as a retry."""
    exposures, outcomes, _ = healthy
    again = [{**row, "event_id": f"{row['event_id']}-again"} for row in outcomes[::3]]
    finding = one(examine(exposures, outcomes + again), "duplicates")
    assert (finding.subject, finding.evidence.rows, finding.evidence.of) == ("retry", len(again), len(outcomes + again))


def test_exposures_delivered_again(healthy):
    """Exposure rows that repeat one are counted, with the lines of such lists."""
    exposures, outcomes, _ = healthy
    finding = one(examine(exposures + exposures[::20], outcomes), "duplicates", "warning")
    assert (finding.subject, finding.evidence.rows) == ("exposures", len(exposures[::20]))
    assert len(finding.evidence.samples) == 3


def test_double_clicks(healthy):
    """A second click a second later on every tenth clicked item: serious, and ctr without them is that of the log."""
    exposures, outcomes, _ = healthy
    clicks = [row for row in outcomes if row["event_type"] == "click"]
    twice = [{**moved(row, 1), "event_id": f"{row['event_id']}-2"} for row in clicks[::10]]
    finding = one(examine(exposures, outcomes + twice), "duplicates")
    assert (finding.subject, finding.evidence.rows) == ("double clicks", len(twice))
    assert finding.effect.without == pytest.approx(len(clicks) / len(exposures), abs=1e-12)


@pytest.mark.parametrize("seconds", [30, 3_600])
def test_events_sent_again_with_another_ts(healthy, seconds):
    """A fifth of the clicks is there again after always the same time: counted, and ctr without them is the log's."""
    exposures, outcomes, _ = healthy
    clicks = [row for row in outcomes if row["event_type"] == "click"]
    again = [
        {**moved(row, seconds + (place % 3 - 1) / 10), "event_id": f"{row['event_id']}-2"}
        for place, row in enumerate(clicks[::5])
    ]
    finding = one(examine(exposures, outcomes + again), "duplicates")
    assert (finding.subject, finding.evidence.rows) == ("clicks sent again", len(again))
    assert f"{seconds:,} seconds" in finding.cause
    assert finding.effect.without == pytest.approx(len(clicks) / len(exposures), abs=1e-12)


def test_conversions_sent_again(healthy):
    """Half of the purchases are there again a minute later: counted, as purchases."""
    exposures, outcomes, _ = healthy
    bought = [row for row in outcomes if row["event_type"] == "conversion"][::2]
    again = [{**moved(row, 60), "event_id": f"{row['event_id']}-2"} for row in bought]
    finding = one(examine(exposures, outcomes + again), "duplicates")
    assert (finding.subject, finding.evidence.rows) == ("conversions sent again", len(again))


@pytest.mark.parametrize("whole_seconds", [False, True])
def test_people_who_click_again(healthy, whole_seconds):
    """A third of the clicked items is clicked again after seconds to minutes, as people do: nothing is wrong."""
    exposures, outcomes, _ = healthy
    rng = np.random.default_rng(5)
    clicks = [row for row in outcomes if row["event_type"] == "click"]
    gaps = 2.5 + rng.lognormal(2.5, 1.2, len(clicks))
    if whole_seconds:
        clicks = [{**row, "ts": f"{row['ts'][:19]}Z"} for row in clicks]
        gaps = np.ceil(gaps)
    again = [
        {**moved(row, float(gap)), "event_id": f"{row['event_id']}-2"}
        for row, gap in zip(clicks[::3], gaps, strict=False)
    ]
    assert examine(exposures, clicks + again).findings == []


def test_one_list_under_two_requests(healthy):
    """Every fiftieth list is asked for twice within seconds: a warning with the count; a minute later it is silent."""
    exposures, outcomes, _ = healthy
    again = [{**moved(row, 3), "request_id": f"{row['request_id']}-2"} for row in exposures[::50]]
    finding = one(examine(exposures + again, outcomes), "repeated_lists", "warning")
    assert finding.evidence.rows == len(again)
    assert finding.effect.without == pytest.approx(finding.effect.as_logged * (1 + 1 / 50), rel=1e-3)
    later = [{**moved(row, 60), "request_id": f"{row['request_id']}-2"} for row in exposures[::50]]
    assert examine(exposures + later, outcomes).findings == []


def test_a_bot(healthy):
    """One subject asks twice a second for three minutes: its exposures are counted, and ctr told without them."""
    exposures, outcomes, _ = healthy
    bot = [
        {
            **moved(exposures[700], 0.5 * number), "request_id": f"bot-{number}", "user_id": pseudonym("bot"),
            "items": [{"item_id": f"item-{(number * 7 + rank) % 400:04d}", "rank": rank} for rank in range(1, 9)],
        }
        for number in range(360)
    ]  # fmt: skip
    finding = one(examine(exposures + bot, outcomes), "bots")
    assert finding.evidence.rows == len(bot)
    clicks = sum(row["event_type"] == "click" for row in outcomes)
    assert finding.effect.without == pytest.approx(clicks / len(exposures), abs=1e-12)


def test_lists_that_nobody_sees(healthy):
    """A prefetching client's lists are never answered: named by it, with the count."""
    exposures, outcomes, _ = healthy
    fetched = [
        {
            **moved(row, 40), "request_id": f"pre-{row['request_id']}", "items": row["items"][::-1],
            "context": {**row["context"], "device": "prefetch"},
        }
        for row in exposures[::5]
    ]  # fmt: skip
    fetched = [
        {**row, "items": [{**item, "rank": rank} for rank, item in enumerate(row["items"], 1)]} for row in fetched
    ]
    finding = one(examine(exposures + fetched, outcomes), "never_rendered")
    assert finding.subject == "device=prefetch"
    assert finding.evidence.rows == len(fetched)


def test_lists_fetched_ahead(healthy):
    """Before every third list another one is asked for that nobody sees: found by what follows it."""
    exposures, outcomes, _ = healthy
    ahead = [
        {
            **moved(row, -1.5), "request_id": f"pre-{row['request_id']}",
            "items": [{"item_id": f"item-{(number * 11 + rank) % 400:04d}", "rank": rank} for rank in range(1, 9)],
        }
        for number, row in enumerate(exposures[::3])
    ]  # fmt: skip
    finding = one(examine(exposures + ahead, outcomes), "never_rendered")
    assert abs(finding.evidence.rows - len(ahead)) <= 2  # a shopper's own next list may follow as soon


def test_lists_that_are_refined(healthy):
    """Who does not click asks for another list after seconds: such lists were seen, and nothing is wrong."""
    exposures, outcomes, _ = healthy
    clicked = {row["request_id"] for row in outcomes}
    refined = [
        {
            **moved(row, 3 + place % 6), "request_id": f"next-{row['request_id']}",
            "items": [{"item_id": f"item-{(place * 11 + rank) % 400:04d}", "rank": rank} for rank in range(1, 9)],
        }
        for place, row in enumerate(exposures) if row["request_id"] not in clicked and place % 2
    ]  # fmt: skip
    answers = [
        {**moved(row, 9), "request_id": row["request_id"], "user_id": row["user_id"], "event_type": "click",
         "item_id": row["items"][0]["item_id"], "context": row["context"]}
        for row in refined[::3]
    ]  # fmt: skip
    answers = [{key: value for key, value in row.items() if key not in KEYS_OF_LISTS} for row in answers]
    assert examine(exposures + refined, outcomes + answers).findings == []


KEYS_OF_LISTS = {"items", "latency_ms", "error"}


def test_lists_replaced_at_once_do_not_depend_on_another_detector(healthy):
    """With repeated_lists turned off they are found as before."""
    exposures, outcomes, _ = healthy
    ahead = [
        {
            **moved(row, -1.5), "request_id": f"pre-{row['request_id']}",
            "items": [{"item_id": f"item-{(number * 11 + rank) % 400:04d}", "rank": rank} for rank in range(1, 9)],
        }
        for number, row in enumerate(exposures[::3])
    ]  # fmt: skip
    off = "repeated_lists: {enabled: false}\n"
    assert causes(examine(exposures + ahead, outcomes, thresholds=off)) == [
        ("never_rendered", "users who get another list at once")
    ]
    limits = "never_rendered: {warning: 0.9, serious: 1}\n"
    assert examine(exposures + ahead, outcomes, thresholds=limits).findings == []


def test_empty_lists_are_not_seen_by_nature(healthy):
    """The lists of a client are empty: that is the finding, not that nobody sees them."""
    exposures, outcomes, _ = healthy
    empty = {row["request_id"] for row in exposures[::8]}
    shown = [
        {**row, "items": [], "context": {**row["context"], "device": "tv"}} if row["request_id"] in empty else row
        for row in exposures
    ]
    done = [row for row in outcomes if row["request_id"] not in empty]
    finding = one(examine(shown, done), "list_shapes", "warning")
    assert (finding.subject, finding.evidence.rows) == ("empty", len(empty))


def test_subjects_in_two_variants(healthy):
    """The later half of some subjects' assignments is of the other arm: exactly these subjects."""
    exposures, outcomes, assignments = healthy
    rows = {}
    for place, row in enumerate(assignments):
        rows.setdefault(row["user_id"], []).append(place)
    chosen = [places for _, places in sorted(rows.items()) if len(places) > 2][:9]
    changed = list(assignments)
    moved_requests = {}
    for places in chosen:
        row = changed[places[-1]]
        other = VARIANTS[row["variant"] == "A"]
        changed[places[-1]] = {**row, "variant": other}
        moved_requests[row["request_id"]] = other
    shown = [
        {**row, "context": {**row["context"], "experiment_variant": moved_requests[row["request_id"]]}}
        if row["request_id"] in moved_requests else row
        for row in exposures
    ]  # fmt: skip
    finding = one(examine(shown, outcomes, changed), "two_variants")
    assert (finding.evidence.rows, finding.evidence.of, finding.evidence.unit) == (9, len(rows), "subjects")


def test_assignments_that_are_missing(healthy):
    """Every twelfth assignment row is not there: exactly these exposures."""
    exposures, outcomes, assignments = healthy
    kept = [row for place, row in enumerate(assignments) if place % 12]
    finding = one(examine(exposures, outcomes, kept), "assignment_missing")
    assert finding.evidence.rows == len(assignments) - len(kept)


def test_assignments_of_another_variant(healthy):
    """Exposures whose context names the other arm than their row: exactly these."""
    exposures, outcomes, assignments = healthy
    shown = [
        {**row, "context": {**row["context"], "experiment_variant": "C"}} if place % 40 == 7 else row
        for place, row in enumerate(exposures)
    ]
    finding = one(examine(shown, outcomes, assignments), "assignment_missing")
    assert (finding.subject, finding.evidence.rows) == ("other variant", sum(n % 40 == 7 for n in range(len(shown))))


def test_an_arm_that_loses_subjects():
    """Two of three new subjects of arm B are not there since the second day: sample ratio, and since when."""
    exposures, outcomes, assignments = doctor_world.world(4, requests=4_000, users=2_500)
    since = stamp(doctor_world.START + timedelta(days=1))
    firsts = {}
    for row in assignments:
        firsts.setdefault(row["user_id"], row)
    gone = {
        user for place, (user, row) in enumerate(sorted(firsts.items()))
        if row["variant"] == "B" and row["ts"] >= since and place % 3
    }  # fmt: skip
    logs = [[row for row in log if row["user_id"] not in gone] for log in (exposures, outcomes, assignments)]
    finding = one(examine(*logs), "sample_ratio")
    assert finding.evidence.unit == "subjects"
    assert abs((finding.evidence.onset - doctor_world.START).total_seconds() - 86_400) < 6 * 3_600


def with_propensities(exposures, seed=1, wrong=1.0):
    """Lists of which each item has a propensity, and a target policy that differs; ``wrong`` scales the target."""
    rng = np.random.default_rng(seed)
    rows = []
    for row in exposures:
        p = rng.choice([0.1, 0.2, 0.4], len(row["items"]), p=[0.1 / 0.7, 0.2 / 0.7, 0.4 / 0.7])
        target = {0.1: 0.3, 0.2: 0.2, 0.4: 0.2}
        items = [
            {**item, "logging_propensity": float(each), "target_propensity": min(target[float(each)] * wrong, 1.0)}
            for item, each in zip(row["items"], p, strict=True)
        ]
        rows.append({**row, "items": items})
    return rows


def test_propensities(healthy):
    """Sound ones are silent; zero, absent and differing ones are counted by item; ones that do not add up are found."""
    exposures, outcomes, _ = healthy
    sound = with_propensities(exposures)
    assert examine(sound, outcomes).findings == []

    def spoilt(**change):
        rows = [dict(row) for row in sound]
        for row in rows[:200]:
            first = {key: value for key, value in row["items"][0].items() if change.get(key, 0) is not None}
            row["items"] = [{**first, **{k: v for k, v in change.items() if v is not None}}, *row["items"][1:]]
        return examine(rows, outcomes)

    for kind, told in {
        "zero": spoilt(logging_propensity=0.0),
        "absent": spoilt(logging_propensity=None),
        "differing": spoilt(propensity=0.9),
    }.items():
        found = {finding.subject: finding for finding in told.findings if finding.detector == "propensities"}
        assert found[kind].evidence.rows == 200
        assert found[kind].severity == "serious"
    finding = one(examine(with_propensities(exposures, wrong=1.4), outcomes), "propensities")
    assert finding.subject == "sum"


def test_lists_of_an_odd_shape(healthy):
    """Repeated items, repeated ranks, gaps: counted, a warning; of a tenth of the lists serious."""
    exposures, outcomes, _ = healthy
    rows = list(exposures)
    for place in range(0, 140, 10):
        items = rows[place]["items"]
        rows[place] = {**rows[place], "items": [*items, {"item_id": "item-gap", "rank": 40}]}
    finding = one(examine(rows, outcomes), "list_shapes", "warning")
    assert (finding.subject, finding.evidence.rows) == ("rank_gap", 14)


@pytest.mark.parametrize("seed", [2, 5])
def test_silence(seed):
    """The healthy log has none of it, with its assignments or without."""
    exposures, outcomes, assignments = doctor_world.world(seed)
    assert examine(exposures, outcomes, assignments).findings == []
    assert examine(exposures, outcomes).findings == []

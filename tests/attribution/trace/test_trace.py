"""What a trace says of hand-made logs: lists, items, experiments, all rows with their reasons, the subject around."""

import json

import pytest

import compact_worlds
from recsys.attribution import sources
from recsys.attribution.policy import Fallback, Policy
from recsys.attribution.trace import around, lists, scan, told_rows
from recsys.attribution.trace.trace import Asked, trace
from recsys.errors import InputError, UsageError
from recsys.evaluation import early_join

from .conftest import NOW, write_lines

HASH = "48cee8d8b352a2221a8993ac5fafd739ef877013a7576e582ac1363b92995782"
AUDIT = {
    "schema_version": "v1", "timestamp": "2026-02-05T10:00:00Z", "request_id": "r1", "tenant_id": "demo",
    "surface": "home", "segment": "default", "algo_version": "a1", "config_version": "c1", "rules_version": "none",
    "manifest_version": "m1", "release": "r-1", "experiment": {"id": "exp-1", "variant": "A"},
    "subject": {"user_id_hash": HASH}, "context": {"device": "phone"}, "latency_ms": 3.1, "error": False,
    "items": [{"item_id": i, "rank": rank, "score": 1 / rank, "propensity": 0.25} for rank, i in enumerate("abc", 1)],
}  # fmt: skip


def shown(request="r1", at="10:00:00", items="abc", user="u", **context):
    listed = [{"item_id": item, "rank": rank} for rank, item in enumerate(items, 1)]
    row = {"request_id": request, "user_id": user, "ts": f"2026-02-05T{at}Z", "items": listed}
    return {**row, "context": context} if context else row


def done(item="a", at="10:00:04", request="r1", user="u", kind="click", **more):
    return {
        "request_id": request, "user_id": user, "item_id": item, "event_type": kind, "ts": f"2026-02-05T{at}Z", **more
    }  # fmt: skip


def assigned(variant="A", request="r1", experiment="exp-1"):
    return {
        "experiment_id": experiment, "variant": variant, "request_id": request, "user_id": "u",
        "ts": "2026-02-05T10:00:00Z",
    }  # fmt: skip


def fates(trace):
    """Line of the outcome log → (fate, why)."""
    return {row.at.line: (row.fate, row.reason) for row in trace.rows if row.log == "outcomes"}


def test_a_list_of_the_audit_log_is_told_in_full(traced):
    """Instant, pseudonym, versions, latency, scores, propensities, and where it stands; nothing is left out."""
    [made] = traced("r1", [shown("other"), AUDIT], [done("b", user=HASH)]).lists
    assert (made.at.line, made.format, made.standing) == (2, "service_v1", "counts")
    assert made.at.file.endswith("exposures.jsonl")
    assert made.ts.isoformat() == "2026-02-05T10:00:00+00:00"
    assert (made.user_id, made.anonymous, made.latency_ms, made.error) == (HASH, False, 3.1, False)
    assert made.context == {
        "tenant_id": "demo", "surface": "home", "segment": "default", "algo_version": "a1", "config_version": "c1",
        "rules_version": "none", "manifest_version": "m1", "release": "r-1", "experiment_id": "exp-1",
        "experiment_variant": "A", "device": "phone",
    }  # fmt: skip
    assert [(i.rank, i.item_id, i.score, i.propensity) for i in made.items] == [
        (1, "a", 1.0, 0.25), (2, "b", 0.5, 0.25), (3, "c", 1 / 3, 0.25),
    ]  # fmt: skip
    assert [[(e.event_type, e.delay_s, e.counted) for e in item.events] for item in made.items] == [
        [], [("click", 4.0, True)], [],
    ]  # fmt: skip


def test_scores_outlive_compaction(tmp_path):
    """The trace of the compacted log shows what that of the log shows; a log without scores has none."""
    log = write_lines(tmp_path / "e.jsonl", [AUDIT, shown("r2")])
    done_log = write_lines(tmp_path / "o.jsonl", [done()])
    compact_worlds.run(tmp_path / "c", exposures=[log])
    for request, scores in (("r1", [1.0, 0.5, 1 / 3]), ("r2", [None, None, None])):
        for spec in (log, str(tmp_path / "c/exposures")):
            named = sources.from_options([spec], [done_log], None)
            [made] = trace(named, Asked(request_id=request, policy=Policy()), NOW).lists
            assert [item.score for item in made.items] == scores


def test_an_anonymous_list_has_nobody_to_follow(traced):
    """Its user_id is the request's; the trace says so, and follows no subject."""
    made = traced("r1", [{**AUDIT, "subject": {}}], [done(user="somebody")])
    assert (made.lists[0].user_id, made.lists[0].anonymous) == ("r1", True)
    assert made.around is None
    assert "the list is anonymous" in fates(made)[1][1]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_every_fate_has_its_reason(traced, suffix):
    """Each outcome of the request, in words that name times, ranks, limits and the row that it copies."""
    events = [
        done("a", "10:00:04.1", event_id="e1"),
        done("a", "10:00:04.1"),
        done("b", "10:01:05", kind="conversion", value=49.9),
        done("x", "10:00:09"),
        done(" A", "10:00:09"),
        done("c", "09:59:09"),
        done("c", "12:00:00"),
        done("c", "10:00:30", event_id="e1"),
        done("c", "10:00:07", user="v"),
        done("b", "10:00:07", "other"),
        done("a", "09:59:57"),
    ]
    policy = Policy(windows_s={"click": 3600.0, "conversion": None})
    made = traced("r1", [shown()], events, policy=policy, suffix=suffix)
    found = fates(made)
    assert {line: fate for line, (fate, _) in found.items()} == {
        1: "duplicate", 2: "attributed", 3: "attributed", 4: "not_in_list", 5: "not_in_list", 6: "before_exposure",
        7: "after_window", 8: "duplicate", 9: "attributed", 11: "attributed",
    }  # fmt: skip
    file = made.rows[-1].at.file
    assert found[1][1] == f"a copy of {file}:2: the same request, item, type and instant"
    assert found[2][1] == "clicked 4.1 s after its list was shown, at rank 1; attributed"
    assert found[3][1] == "converted 1 min 5 s after its list was shown, at rank 2; attributed"
    assert found[4][1] == "the item is not one of the 3 that were shown"
    assert found[5][1] == "the item is not one of the 3 that were shown; 'a' is, spelt differently"
    assert found[6][1] == "51 s before its list was shown; the tolerance is 5 s"
    assert found[7][1] == "2 h after its list was shown; the window of a click is 1 h"
    assert found[8][1].startswith(f"a copy of {file}:1: the same event_id e1; it differs")
    assert found[9][1].endswith("attributed; by another user than the list's")
    assert found[11][1] == "clicked 3 s before its list was shown, at rank 1; attributed"
    assert made.headline == "a list of 3 items; 3 clicks and 1 conversion attributed, 6 outcomes not"
    [row] = [row for row in made.rows if row.at.line == 3 and row.log == "outcomes"]
    assert (row.item_id, row.event_type, row.value, row.event_id, row.user_id) == ("b", "conversion", 49.9, None, "u")


def test_reasons_follow_the_policy(traced):
    """What a policy lets count, refuses, or counts once, is told as such."""
    events = [done("x"), done("a"), done("a", "10:00:09"), done("b", user="v")]
    policy = Policy(not_in_list="count", user_mismatch="refuse", touch="first")
    found = fates(traced("r1", [shown()], events, policy=policy))
    assert found[1] == (
        "attributed",
        "clicked 4 s after its list was shown; attributed, though the list did not hold the item, as the policy has it",
    )
    assert found[2][0] == "attributed"
    assert found[3][0] == "later_touch"
    assert ":2 was the first click on this item; the policy counts that one" in found[3][1]
    assert found[4] == ("user_mismatch", "by another user than the list's, which the policy refuses")


def test_a_fallback_is_told_on_both_sides(traced):
    """The orphan names the list that it is credited to; that list shows the event as inferred, and not as counted."""
    logs = [shown(at="09:00:00"), shown("r2", "09:30:00")], [done("b", request="gone")]
    policy = Policy(fallback=Fallback(credit="all"))
    orphan = traced("gone", *logs, policy=policy)
    assert orphan.status == "no_exposure"
    assert fates(orphan)[1][1].endswith("inferred: credited to r2 (rank 2), r1 (rank 2)")
    [event] = traced("r1", *logs, policy=policy).lists[0].items[1].events
    assert (event.fate, event.counted, event.inferred, event.shared, event.delay_s) == (
        "orphan",
        False,
        True,
        2,
        3604.0,
    )
    assert traced("r1", *logs).lists[0].items[1].events == []
    last = Policy(fallback=Fallback(credit="last"))
    assert traced("r1", *logs, policy=last).lists[0].items[1].events == []
    assert [event.shared for event in traced("r2", *logs, policy=last).lists[0].items[1].events] == [1]


def test_redeliveries_and_conflicting_lists_are_told(traced):
    """Copies of a list count once, from the earliest; other lists under the id make all of them ambiguous."""
    again = traced("r1", [shown(at="10:00:03"), shown(), shown(at="10:00:09")], [done()])
    assert [(row.at.line, row.fate) for row in again.rows[:3]] == [(2, "shown"), (1, "redelivered"), (3, "redelivered")]
    assert again.rows[1].reason.endswith("exposures.jsonl:2 again, 3 s later; it counts once")
    assert [len(made.items[0].events) for made in again.lists] == [1, 0, 0]
    other = traced("r1", [shown(), shown(items="acb"), shown(at="10:00:03")], [done()])
    assert [made.standing for made in other.lists] == ["ambiguous", "ambiguous", "redelivery"]
    assert fates(other)[1] == ("ambiguous", "2 different lists have this request_id, so none of them gets it")
    assert other.headline == "2 different lists have this id, so nothing is attributed to it"
    assert not any(item.events for made in other.lists for item in made.items)


COPIES = [
    shown(surface="home", locale="de"), shown(surface="cart", locale="de"), shown(surface="zeta"),
    {**shown(surface="cart", locale="fr"), "latency_ms": 2.0}, {**shown(surface="cart"), "latency_ms": 2.0},
    {**shown(surface="cart", locale="en"), "latency_ms": 2.0, "error": True}, shown(surface="cart", anonymous="true"),
]  # fmt: skip


@pytest.mark.parametrize("made", ["lines", "compacted"])
@pytest.mark.parametrize("copies", [COPIES, COPIES[::-1], COPIES[3:6], COPIES[5:2:-1], COPIES[2::-2], COPIES[0:3:2]])
def test_of_copies_at_one_instant_the_join_says_which_counts(traced, tmp_path, copies, made):
    """Whatever their order and the form of the log; where the join cannot tell them apart, it is the same one too."""
    logs = [tmp_path / "e.jsonl", tmp_path / "o.jsonl"]
    named = [write_lines(log, rows) for log, rows in zip(logs, (copies, [done()]), strict=True)]
    joined = surface_of_the_join(*named)
    if made == "compacted":
        compact_worlds.run(tmp_path / "c", exposures=[named[0]], outcomes=[named[1]])
        named = [str(tmp_path / "c/exposures"), str(tmp_path / "c/outcomes")]
    found = trace(sources.from_options([named[0]], [named[1]], None), Asked(request_id="r1", policy=Policy()), NOW)
    [counts] = [made for made in found.lists if made.standing == "counts"]
    assert counts.context["surface"] == joined
    among = [row for row in copies if row["context"]["surface"] == joined]
    assert counts.context == min(among, key=_order)["context"]


def surface_of_the_join(shown, clicked):
    """The surface of the one list that counts."""
    by = early_join.check([shown], [clicked], None, None).quality.by
    [surface] = [each.value for each in by if each.key == "surface" and each.exposures]
    return surface


def _order(row):
    context = row["context"]
    return (
        row.get("latency_ms", -1),
        row.get("error", False),
        "anonymous" in context,
        json.dumps(context, sort_keys=True),
    )


def test_what_is_unusual_in_a_list(traced):
    """Ranks and items that are there twice, missing ranks, a propensity of 0, an empty list and one that failed."""
    items = [("a", 1), ("b", 1), ("a", 4)]
    row = {**shown(), "items": [{"item_id": item, "rank": rank, "propensity": 0} for item, rank in items]}
    [made] = traced("r1", [row], [done("a")]).lists
    assert made.odd == ["repeated_rank", "repeated_item", "rank_gap", "zero_propensity"]
    assert [(item.rank, item.item_id, len(item.events)) for item in made.items] == [
        (1, "a", 1),
        (1, "b", 0),
        (4, "a", 0),
    ]
    assert traced("r1", [shown(items="", surface="home")]).headline == "an empty list on home; nothing is attributed"
    failed = {**shown(items=""), "error": True}
    assert traced("r1", [failed]).headline == "a list that failed; nothing is attributed"


@pytest.mark.parametrize(
    ("context", "rows", "agree", "note"),
    [
        ("A", [assigned()], True, "list and assignment agree"),
        ("A", [assigned("B")], False, "list and assignment do not agree"),
        ("A", [assigned(), assigned("B")], False, "several variants on one request"),
        ("A", [], None, "no assignment row has this request_id"),
        ("A", None, None, "no assignment log was given"),
        (None, [assigned()], None, "the list names no variant"),
    ],
)
def test_experiments(traced, context, rows, agree, note):
    """The variant of the list beside those of the assignment rows, and whether they agree."""
    named = {} if context is None else {"experiment_id": "exp-1", "experiment_variant": context}
    [made] = traced("r1", [shown(**named)], [], rows).experiments
    assert (made.experiment_id, made.agree, made.note) == ("exp-1", agree, note)
    assert made.shown == ([] if context is None else [context])
    assert [(row.variant, row.at.line) for row in made.assigned] == [
        (row["variant"], line) for line, row in enumerate(rows or [], 1)
    ]


def test_several_experiments_on_one_request(traced):
    """Each by itself; without a list there is nothing to compare with."""
    rows = [assigned("B", experiment="exp-2"), assigned()]
    found = traced("r1", [shown(experiment_id="exp-2", experiment_variant="B")], [], rows).experiments
    assert [(made.experiment_id, made.agree) for made in found] == [("exp-1", None), ("exp-2", True)]
    both = [
        shown(items=items, experiment_id="exp-1", experiment_variant=v) for items, v in (("abc", "A"), ("acb", "B"))
    ]
    [two] = traced("r1", both, [], [assigned(), assigned("B")]).experiments
    assert (two.shown, two.agree, two.note) == (["A", "B"], False, "several variants on one request")
    [alone, _] = traced("r1", [shown("other")], [], rows).experiments
    assert alone.note == "there is no list to compare with"


BROKEN = {
    "a torn line": (b'{"request_id":"r1","user_id":"u","ts":"2026-', "expected one JSON object"),
    "a value that is none": (json.dumps({**shown(), "ts": "yesterday"}).encode(), "$.ts: found"),
    "a number for the id": (b'{"request_id": 1, "user_id":"u"}', "$.request_id: found a number"),
    "a key twice": (b'{"request_id":"r1","request_id":"r2"}', "this key more than once"),
    "a key twice, the last of which is ours": (b'{"request_id":"r2","request_id":"r1"}', "this key more than once"),
    "the id elsewhere": (b'{"user_id":"r1"}', "request_id"),
    "bytes that are no text": (b'\xff{"request_id":"r1"}', "expected UTF-8"),
    "more than a line": (json.dumps(shown()).encode() * 2, "Extra data"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_invalid_lines_that_carry_the_id_are_told(traced, case):
    """With their place and what is wrong, though no row of them reaches the join; other invalid lines are not."""
    line, why = BROKEN[case]
    request = "1" if b": 1," in line else "r1"
    others = [b'{"request_id":"r9"', json.dumps({**shown("r2"), "note": "r1"}).encode(), b"", b'{"request_id": 11}']
    made = traced(request, [*others, line], [])
    assert made.status == "no_exposure"
    [row] = made.rows
    assert (row.log, row.at.line, row.fate) == ("exposures", 5, "invalid")
    assert why in row.reason
    assert made.headline == "no valid exposure has this id, only 1 exposure (invalid)"
    assert made.checks[0].endswith("exposures.jsonl:5.")


def test_valid_lines_that_name_the_id_elsewhere_are_not_rows_of_it(traced):
    """As a user, an item, an event, or in the context of another request."""
    events = [done("r1", request="r2"), done(request="r2", user="r1", event_id="r1"), done(request="r1x")]
    made = traced("r1", [shown(), shown("r2", parent="r1", items=["r1"])], events)
    assert [(row.log, row.at.line) for row in made.rows] == [("exposures", 1)]


def test_the_subject_around_the_request(traced):
    """Other lists and outcomes of the same user within the time, in its order; what they have in common with it."""
    lists_ = [
        shown(),
        shown("before", "09:50:00", "xy"),
        shown("same", "10:10:00", surface="item_page"),
        shown("far", "10:30:00.000001"),
        shown("edge", "09:30:00"),
        shown("other", user="v"),
    ]
    events = [done("b", "10:11:00", "same"), done("q", "10:12:00", "gone", value=2), done("x"), done("a", user="v"),
              {**done("c", "10:00:30", "bad"), "ts": "2026-02-05 10:00:30"}]  # fmt: skip
    made = traced("r1", lists_, events, around_s=1800.0).around
    assert made is not None
    assert made.user_ids == ["u"]
    assert [(row.log, row.request_id, row.offset_s) for row in made.rows] == [
        ("exposures", "edge", -1800.0), ("exposures", "before", -600.0), ("exposures", "same", 600.0),
        ("outcomes", "same", 660.0), ("outcomes", "gone", 720.0),
    ]  # fmt: skip
    assert [(row.items, row.surface, row.same_items, row.shows) for row in made.rows[:3]] == [
        (3, None, True, []), (2, None, False, ["x"]), (3, "item_page", True, []),
    ]  # fmt: skip
    assert [(row.item_id, row.value, row.rank_here) for row in made.rows[3:]] == [("b", None, 2), ("q", 2.0, None)]
    assert (made.more_exposures, made.more_outcomes, made.invalid) == (0, 0, 0)
    assert traced("r1", lists_, events, around_s=0.0).around is None


def test_invalid_rows_of_the_subject_are_counted(traced):
    """Those whose instant can be read, within the time."""
    bad = {**done("c", "10:00:30", "other"), "value": "much"}
    assert traced("r1", [shown()], [bad, done()]).around.invalid == 1


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_busy_subject_is_told_of_in_part(traced, suffix):
    """The nearest rows, as many as there is room for, and how many more there are."""
    many = [shown(f"q{n}", f"10:{n // 60:02}:{n % 60:02}") for n in range(1, around.MOST + 31)]
    made = traced("r1", [*reversed(many), shown()], [], suffix=suffix).around
    assert [row.request_id for row in made.rows] == [f"q{n}" for n in range(1, around.MOST + 1)]
    assert (made.more_exposures, made.more_outcomes) == (30, 0)


def test_a_request_with_endless_rows_is_told_of_in_part(traced):
    """The first rows, and how many more of each fate; the headline counts all of them."""
    events = [done("a", f"10:{n // 60:02}:{n % 60:02}") for n in range(told_rows.MOST + 40)]
    made = traced("r1", [shown()], events)
    assert len(made.rows) == told_rows.MOST
    assert made.more_rows == {"outcomes attributed": 41}
    assert f"{told_rows.MOST + 40} clicks attributed" in made.headline
    item = made.lists[0].items[0]
    assert (len(item.events), item.more_events) == (lists.MOST_EVENTS, told_rows.MOST + 40 - lists.MOST_EVENTS)


def test_an_orphan_leads_to_the_list_that_was_meant(traced):
    """Status, meaning, and the subject's lists at that time that show its item."""
    made = traced("lost", [shown("r1"), shown("r2", "10:01:00", "xyz")], [done("b", request="lost", at="10:02:00")])
    assert (made.status, made.headline) == ("no_exposure", "no valid exposure has this id, only 1 outcome (orphan)")
    assert "orphans" in made.checks[0]
    assert [(row.request_id, row.shows) for row in made.around.rows] == [("r1", ["b"]), ("r2", [])]
    alone = traced("lost", [shown("r1")], [], [assigned(request="lost")])
    assert alone.status == "no_exposure"
    assert "no list logged" in alone.checks[0]


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_an_id_that_stands_on_too_many_rows_is_no_requests(traced, suffix, monkeypatch):
    """It is refused before memory runs out, with what to do; one row less is traced."""
    monkeypatch.setattr(scan, "MOST_ROWS", 6)
    events = [done(at=f"10:00:{n:02}") for n in range(6)]
    assert traced("r1", [shown()], events, suffix=suffix).status == "found"
    with pytest.raises(InputError, match=r"outcomes: more rows than can be traced.*recsys-eval doctor"):
        traced("r1", [shown()], [*events, done(at="10:00:30")], suffix=suffix)


@pytest.mark.parametrize("request_id", ["", " ", "a\nb", "x" * 513, "\x85", "\ud800"])
def test_what_cannot_be_an_id(traced, request_id):
    """Is refused before a log is read."""
    with pytest.raises(UsageError, match="not a request id"):
        traced(request_id)


def test_logs_of_another_kind_are_refused(traced):
    """A file that begins with other records is named, as other commands do."""
    with pytest.raises(InputError, match=r"outcome\.v1 records.*expected exposure\.v1"):
        traced("r1", [done()], [done()])
    with pytest.raises(InputError, match=r"exposure\.v1 records.*expected outcome\.v1"):
        traced("r1", [shown()], [shown()])

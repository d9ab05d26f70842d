"""A trace as text: what others wrote cannot spoil a terminal, long lists are folded, and all parts have their words."""

from datetime import UTC, datetime

from recsys.contracts import trace as contract
from recsys.contracts.report import KnownGap
from recsys.evaluation.render import trace_text

AT = datetime(2026, 2, 5, 10, tzinfo=UTC)
PLACE = contract.Place(file="e.jsonl", line=7)


def made(**parts):
    given = {"created_at": AT, "version": "1", "request_id": "r1", "status": "found", "headline": "h", "policy": {},
             "inputs": {}}  # fmt: skip
    return trace_text.render(contract.Trace(**(given | parts)))


def shown(items, **parts):
    given = {"at": PLACE, "format": "exposure.v1", "standing": "counts", "ts": AT, "user_id": "u", "anonymous": False,
             "latency_ms": None, "error": False, "context": {}, "odd": [], "items": items}  # fmt: skip
    return contract.ShownList(**(given | parts))


def event(**parts):
    given = {"event_type": "click", "ts": AT, "delay_s": 4.0, "value": None, "fate": "attributed", "counted": True,
             "inferred": False, "at": PLACE}  # fmt: skip
    return contract.ItemEvent(**(given | parts))


def item(rank, *events, **parts):
    return contract.ShownItem(rank=rank, item_id=f"i{rank}", events=list(events), **parts)


def test_what_others_wrote_is_shown_and_not_obeyed():
    """Escapes of a terminal in ids, contexts, reasons and file names are printed as such; long ids are cut off."""
    bad = "\x1b[2Jx"
    row = contract.TracedRow(
        log="outcomes", at=contract.Place(file=bad, line=1), fate="orphan", reason=bad, item_id=bad
    )
    near = contract.Neighbour(log="exposures", at=PLACE, ts=AT, offset_s=1, request_id=bad, surface=bad, items=1,
                              shows=[bad])  # fmt: skip
    around = contract.Around(user_ids=[bad], since=AT, until=AT, rows=[near])
    text = made(
        request_id=bad, headline=bad, rows=[row], around=around, checks=[bad],
        near=[contract.NearId(request_id="y" * 500, difference="some characters")],
        lists=[shown([contract.ShownItem(rank=1, item_id=bad)], user_id=bad, context={bad: bad, "surface": bad})],
        experiments=[contract.TracedExperiment(experiment_id=bad, shown=[bad], assigned=[], agree=None, note="n")],
    )  # fmt: skip
    assert "\x1b" not in text
    assert text.count(r"\x1b[2Jx") >= 12
    assert "y" * 80 + "…" in text
    assert "y" * 81 not in text


def test_a_long_list_is_folded():
    """The first items, and those further down to which something happened; the rest is counted."""
    items = [item(rank) for rank in range(1, 121)]
    items[99] = item(100, event())
    text = made(lists=[shown(items)])
    assert "  … 69 more items, to which nothing happened" in text
    assert "i50 " in text
    assert "i51 " not in text
    assert "100  i100  click 4 s after" in text


def test_what_happened_to_an_item():
    """Value, delay, fate where it does not count, and inference; more events than are told are counted."""
    events = [
        event(event_type="conversion", value=49.9, delay_s=3700.0),
        event(delay_s=-2.5),
        event(fate="duplicate", counted=False),
        event(fate="orphan", counted=False, inferred=True, shared=3),
    ]
    text = made(lists=[shown([item(1, *events, more_events=9)])])
    assert (
        "conversion 49.9 1 h 1 min after; click 2.5 s before; click 4 s after (duplicate); "
        "click 4 s after (inferred, shared among 3 lists); 9 more"
    ) in text


def test_columns_that_nothing_stands_in_are_left_out():
    """Scores and propensities have columns where the log knows any."""
    assert "score" not in made(lists=[shown([item(1)])])
    text = made(lists=[shown([item(1, score=0.5, logging_propensity=0.25), item(2)])])
    assert "rank  item  score  logged with  what happened" in text
    assert "   1  i1      0.5         0.25  –" in text


def test_what_is_told_of_a_list():
    """An error, nobody, oddities, an empty list, and lists that are ambiguous; redeliveries stand among the rows."""
    text = made(lists=[shown([], anonymous=True, error=True, latency_ms=1.5, odd=["rank_gap"], standing="ambiguous")])
    for words in ("in 1.5 ms, as an error", "u (anonymous: nobody)", "ranks are missing", "the list is empty",
                  "another list has this id too"):  # fmt: skip
        assert words in text
    assert "shown " not in made(lists=[shown([], standing="redelivery")])


def test_counts_of_what_is_left_out():
    """More rows, more of the subject's rows, and its invalid ones."""
    row = contract.TracedRow(log="outcomes", at=PLACE, fate="orphan", reason="why")
    around = contract.Around(
        user_ids=["u"], since=AT, until=AT, rows=[], more_exposures=1200, more_outcomes=3, invalid=2
    )
    text = made(rows=[row], more_rows={"outcomes orphan": 41}, around=around)
    for words in (
        "… 41 more: outcomes orphan",
        "… 1,200 more lists",
        "… 3 more outcomes",
        "2 rows of the subject are not",
    ):
        assert words in text


def test_losses_are_told():
    """With the log, how many, when and why."""
    gap = KnownGap(log="exposures", file="e.jsonl", lost=3, refused=0, first=AT, last=AT, reason="disk full")
    assert "records that the logs say they lost ever\n  exposures: 3 lost, 2026-02-05 10:00:00" in made(gaps=[gap])

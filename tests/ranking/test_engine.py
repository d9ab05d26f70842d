"""The list for a request: against a plain-Python twin on random shops, and by example."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ranking_oracle
from ranking_oracle import DAY, World
from ranking_worlds import tenant_data
from recsys.ranking.engine import Query, rank, similar
from recsys.ranking.scoring import Weights
from recsys.ranking.signals import RECENT_ITEMS
from recsys.service.signals.snapshot import build

IDS = [f"i{number:02d}" for number in range(14)]
TAGS = ["Red", "red", "BLUE", "blue", "straße", "STRASSE", "green"]
USERS = ["ua", "ub", "uc", "ud"]
POP, BOTH = Weights(1, 0), Weights(1, 1)

some_ids = st.lists(st.sampled_from([*IDS, "unknown-1", "unknown-2"]), max_size=8)
some_tags = st.lists(st.sampled_from(TAGS), max_size=2)
moments = st.integers(0, 40 * 24).map(lambda hours: hours * DAY // 24)


@st.composite
def worlds(draw):
    items = draw(st.dictionaries(st.sampled_from(IDS), some_tags, max_size=len(IDS)))
    events = []
    if items:
        event = st.tuples(st.sampled_from(USERS), st.sampled_from(sorted(items)), moments)
        events = draw(st.lists(event, max_size=40))
    return World(items, events, draw(st.sampled_from([1.0, 30.0])), draw(st.sampled_from([0.5, 7.0, 30.0])))


queries = st.builds(
    Query,
    k=st.integers(1, 8),
    weights=st.builds(Weights, *[st.sampled_from([0.0, 0.3, 1.0, 2.5])] * 2),
    anchors=some_ids,
    max_anchors=st.none() | st.integers(1, 3),
    subject=st.none() | st.sampled_from([*USERS, "stranger"]),
    now_us=st.none() | moments,
    include=st.none() | some_ids,
    exclude=some_ids,
    required_tags=some_tags,
    forbidden_tags=some_tags,
    max_per_tag=st.dictionaries(st.sampled_from(TAGS), st.integers(1, 3), max_size=3),
    include_reasons=st.booleans(),
)


@st.composite
def busy_worlds(draw):
    """Few items, few users and many events within days, so that contexts, windows and ties matter."""
    items = {item: draw(some_tags) for item in IDS[:5]}
    hours = st.integers(0, 4 * 24).map(lambda hours: hours * DAY // 24)
    event = st.tuples(st.sampled_from(USERS), st.sampled_from(sorted(items)), hours)
    events = draw(st.lists(event, min_size=10, max_size=25))
    return World(items, events, draw(st.sampled_from([1.0, 30.0])), draw(st.sampled_from([0.5, 1.0, 2.25])))


busy_queries = st.builds(
    Query,
    k=st.integers(3, 5),
    weights=st.sampled_from([Weights(0, 1), Weights(1, 1)]),
    anchors=st.lists(st.sampled_from(IDS[:5]), max_size=2),
    max_anchors=st.none() | st.just(1),
    subject=st.sampled_from(USERS),
    now_us=st.none() | st.integers(24, 5 * 24).map(lambda hours: hours * DAY // 24),
    include_reasons=st.booleans(),
)


def equal_the_twin(world, asked):
    data = tenant_data(world.items, world.events)
    snapshot = build(data, half_life_days=world.half_life_days, covis_window_days=world.window_days)
    for query in asked:
        found = snapshot.rank(query)
        items, counts, codes = ranking_oracle.rank(world, query, RECENT_ITEMS)
        assert [(item.item_id, item.reasons) for item in found.items] == [(item[0], item[2]) for item in items]
        assert [item.score for item in found.items] == pytest.approx([item[1] for item in items], abs=2e-12)
        assert tuple(found.counts) == counts
        assert [warned.code for warned in found.warnings] == codes


@settings(max_examples=300, deadline=None)
@given(worlds(), st.lists(queries, min_size=1, max_size=3))
def test_lists_equal_the_plain_twin(world, asked):
    """Items, order, scores, reasons, counts and warnings are those of the definitions, whatever is asked before."""
    equal_the_twin(world, asked)


@settings(max_examples=200, deadline=None)
@given(busy_worlds(), st.lists(busy_queries, min_size=1, max_size=3))
def test_contexts_and_windows_equal_the_plain_twin(world, asked):
    """The same where anchors, histories and windows overlap."""
    equal_the_twin(world, asked)


@settings(max_examples=100, deadline=None)
@given(worlds(), queries)
def test_what_was_asked_before_changes_nothing(world, query):
    """The same query gives the same answer from a fresh snapshot and from one that has answered others."""
    data = tenant_data(world.items, world.events)
    used = build(data)
    for other in (Query(k=3, weights=BOTH, anchors=IDS, now_us=5 * DAY), query, similar(IDS[0], k=2)):
        used.rank(other)
    assert used.rank(query) == build(data).rank(query)


def shop(items, events=()):
    return build(tenant_data(items, list(events))).signals


def ids(ranking):
    return [item.item_id for item in ranking.items]


def codes(ranking):
    return [warned.code for warned in ranking.warnings]


ABC = {"a": ("x",), "b": ("x", "Y"), "c": ("y",), "d": ()}
VISITS = [("u1", "c", 3 * DAY), ("u1", "b", 2 * DAY), ("u2", "c", DAY), ("u2", "a", DAY), ("u3", "b", 3 * DAY)]


def test_popular_items_come_first_and_ties_by_item_id():
    """Items without events tie at 0 and come in the order of their ids."""
    ranking = rank(shop({**ABC, "0": ()}, VISITS), Query(k=10, weights=POP))
    assert ids(ranking) == ["b", "c", "a", "0", "d"]
    assert ranking.items[0].score == 1.0
    assert [item.score for item in ranking.items[-2:]] == [0.0, 0.0]


def test_a_cut_within_a_tie_keeps_the_lowest_ids():
    """Where equal scores straddle the cut to k, item_id decides, for every k."""
    catalogue = {f"i{number:03d}": () for number in range(300)}
    events = [("u", f"i{number:03d}", DAY) for number in range(0, 300, 3)]
    signals = shop(catalogue, events)
    every = ids(rank(signals, Query(k=300, weights=POP)))
    assert every == sorted(catalogue, key=lambda item: (int(item[1:]) % 3 != 0, item))
    for k in (1, 7, 99, 100, 101, 200):
        assert ids(rank(signals, Query(k=k, weights=POP))) == every[:k]


def test_filters_come_before_the_cut_and_the_list_is_refilled():
    """Excluding the best, forbidding a tag and capping another still gives k items where there are k."""
    catalogue = {f"i{number:02d}": ("odd",) if number % 2 else ("even", "all") for number in range(40)}
    events = [("u", item, DAY) for item in catalogue for _ in range(40 - int(item[1:]))]
    signals = shop(catalogue, events)
    excluded = Query(k=5, weights=POP, exclude=[f"i{number:02d}" for number in range(10)])
    assert ids(rank(signals, excluded)) == ["i10", "i11", "i12", "i13", "i14"]
    assert ids(rank(signals, excluded._replace(forbidden_tags=["EVEN"]))) == ["i11", "i13", "i15", "i17", "i19"]
    capped = rank(signals, Query(k=6, weights=POP, max_per_tag={"Odd": 1}))
    assert ids(capped) == ["i00", "i01", "i02", "i04", "i06", "i08"]
    assert capped.counts == (40, 3, 6)
    scarce = rank(signals, Query(k=6, weights=POP, max_per_tag={"odd": 1, "all": 1}))
    assert ids(scarce) == ["i00", "i01"]
    assert scarce.counts == (40, 38, 2)


def test_five_thousand_exclusions_are_all_honoured():
    """No exclusion past a silent limit is served anyway."""
    catalogue = {f"i{number:04d}": () for number in range(5001)}
    signals = shop(catalogue, [("u", "i0000", DAY)])
    ranking = rank(signals, Query(k=20, weights=POP, exclude=sorted(catalogue)[:5000]))
    assert ids(ranking) == ["i5000"]
    assert ranking.counts == (5001, 5000, 1)


def test_anchors_are_never_recommended_back():
    """Also those beyond max_anchors, which do not count as context."""
    ranking = rank(shop(ABC, VISITS), Query(k=10, weights=Weights(0, 1), anchors=("a", "b"), max_anchors=1))
    assert ids(ranking) == ["c", "d"]
    assert ranking.items[0].score == 1.0


def test_similar_leaves_the_item_out_and_fills_to_k():
    """Items of the same users first, then the others by popularity, then by id."""
    ranking = rank(shop(ABC, VISITS), similar("a", k=3))
    assert ids(ranking) == ["c", "b", "d"]
    assert not ranking.warnings


def test_the_subject_is_served_by_its_history():
    """A subject who touched an item gets what others touched with it; a stranger gets a warning."""
    signals = shop(ABC, [*VISITS, ("u4", "a", 3 * DAY)])
    cooc = Query(k=1, weights=Weights(0, 1), subject="u4", include_reasons=True)
    assert ids(rank(signals, cooc)) == ["c"]
    assert rank(signals, cooc).items[0].reasons == ("co_visitation",)
    assert codes(rank(signals, cooc._replace(subject="stranger"))) == ["SIGNAL_UNAVAILABLE"]


def test_the_clock_hides_what_comes_after_it():
    """context.now counts events up to and at that moment, and no later one."""
    signals = shop(ABC, VISITS)
    at = Query(k=1, weights=POP, now_us=DAY)
    assert ids(rank(signals, at)) == ["a"]
    assert codes(rank(signals, at._replace(now_us=DAY - 1))) == ["SIGNAL_UNAVAILABLE"]
    assert rank(signals, at._replace(now_us=3 * DAY)) == rank(signals, at._replace(now_us=None))


def test_a_clock_long_after_the_newest_event_still_ranks_by_popularity():
    """Old data does not fade to a tie: decay is relative."""
    signals = shop(ABC, VISITS)
    late = rank(signals, Query(k=4, weights=POP, now_us=100 * 365 * DAY))
    assert late == rank(signals, Query(k=4, weights=POP))


def test_a_signal_of_weight_0_never_fails_or_warns():
    """Without anchors, history or events, weight 0 asks nothing of the signal; all weights 0 order by id."""
    assert not rank(shop(ABC, VISITS), Query(k=2, weights=POP)).warnings
    nothing = rank(shop(ABC), Query(k=2, weights=Weights(0, 0)))
    assert ids(nothing) == ["a", "b"]
    assert not nothing.warnings


def test_an_empty_catalogue_gives_an_empty_list():
    """No items: no error."""
    ranking = rank(shop({}), Query(k=5, weights=BOTH, anchors=("a",), subject="u", max_per_tag={"x": 1}))
    assert ranking.items == ()
    assert ranking.counts == (0, 0, 0)


def test_warnings_come_in_the_order_of_the_contract():
    """SIGNAL_UNAVAILABLE, SIGNAL_PARTIAL, CONSTRAINTS_FILTERED, CANDIDATES_INCLUDE_…; none names an item."""
    query = Query(k=2, weights=BOTH, include=["b", "d", "zz"], required_tags=["x"], anchors=("c", "yy"))
    ranking = rank(shop(ABC, VISITS), query)
    assert codes(ranking) == ["SIGNAL_PARTIAL", "CONSTRAINTS_FILTERED", "CANDIDATES_INCLUDE_FILTERED"]
    assert ranking.warnings[1].detail == "candidates left out: required_tags 1"
    assert ranking.warnings[2].detail == "2 of the 3 included items are unknown, excluded or filtered"
    empty = rank(shop(ABC), query._replace(include=["zz"]))
    assert codes(empty) == ["SIGNAL_UNAVAILABLE", "SIGNAL_UNAVAILABLE", "CANDIDATES_INCLUDE_EMPTY"]
    assert "zz" not in str(empty.warnings)


def test_an_empty_allow_list_allows_nothing():
    """It is not the same as none."""
    ranking = rank(shop(ABC, VISITS), Query(k=2, weights=POP, include=()))
    assert ranking.items == ()
    assert "CANDIDATES_INCLUDE_EMPTY" in codes(ranking)


def test_max_per_tag_finds_its_items_far_down_the_order():
    """The order is walked as far as needed, not only a few times k."""
    catalogue = {f"i{number:04d}": ("common",) for number in range(3000)} | {"z1": (), "z2": ()}
    events = [("u", item, DAY) for item in catalogue if item.startswith("i")]
    ranking = rank(shop(catalogue, events), Query(k=3, weights=POP, max_per_tag={"common": 1}))
    assert ids(ranking) == ["i0000", "z1", "z2"]
    assert ranking.counts == (3002, 2999, 3)


def test_extreme_weights_give_finite_scores():
    """Weights are relative: the largest double and the smallest do not overflow."""
    signals = shop(ABC, VISITS)
    for weights in (Weights(1.7e308, 1.7e308), Weights(5e-324, 5e-324), Weights(1e308, 1e-308)):
        scores = [item.score for item in rank(signals, Query(k=4, weights=weights, anchors=("a",))).items]
        assert np.isfinite(scores).all()
        assert max(scores) <= 1.0

"""Every policy against its plain-Python twin, on small logs full of trouble, in any order and any cut into files."""

from collections import Counter

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

import join_oracle as oracle
from recsys.attribution import quality
from recsys.attribution.policies import CHOICES, CREDITS
from recsys.attribution.policy import REQUEST_ID_ONLY, Fallback, Policy

ITEMS = ["a", "é"]
USERS = ["u1", "u1", "u2"]
SHOWN_AT = ["2026-02-05T10:00:00Z", "2026-02-05T10:00:04Z", "2026-02-05T10:01:00Z", "2026-02-06T09:00:00Z"]
DONE_AT = [
    "2026-02-05T09:59:55Z", "2026-02-05T09:59:59Z", "2026-02-05T10:00:00Z", "2026-02-05T10:00:09Z",
    "2026-02-05T10:01:00.000001Z", "2026-02-05T11:00:30Z", "2026-02-06T09:59:59.999999Z", "2026-02-06T10:00:01Z",
]  # fmt: skip


@st.composite
def exposures(draw):
    listed = draw(st.lists(st.sampled_from(ITEMS), max_size=3, unique=draw(st.integers(0, 3)) > 0))
    return {
        "request_id": draw(st.sampled_from(["r1", "r2", "r3"])),
        "user_id": draw(st.sampled_from(USERS)),
        "ts": draw(st.sampled_from(SHOWN_AT)),
        "items": [{"rank": rank, "item_id": item} for rank, item in enumerate(listed, 1)],
        "context": {"anonymous": "true"} if draw(st.integers(0, 4)) == 0 else {},
    }


@st.composite
def outcomes(draw):
    row = {
        "request_id": draw(st.sampled_from(["r1", "r2", "r3", "gone", "gone"])),
        "user_id": draw(st.sampled_from(USERS)),
        "item_id": draw(st.sampled_from(ITEMS)),
        "event_type": draw(st.sampled_from(["click", "conversion"])),
        "ts": draw(st.sampled_from(DONE_AT)),
    }
    return {**row, "event_id": draw(st.sampled_from(["e1", "e2"]))} if draw(st.integers(0, 7)) == 0 else row


# Half of the requests have one list, so that not all of them are ambiguous
logs = st.tuples(
    st.lists(exposures(), min_size=1, max_size=3)
    | st.lists(exposures(), min_size=3, max_size=3, unique_by=lambda row: row["request_id"]),
    st.lists(outcomes(), min_size=1, max_size=14),
)
limits = st.sampled_from([None, 0.0, 9.0, 3600.0, 86_400.0])
fallbacks = st.builds(Fallback, credit=st.sampled_from(CREDITS), window_s=st.sampled_from([None, 9.0, 86_400.0, 1e6]))
policies = st.builds(
    Policy,
    tolerance_s=st.sampled_from([None, 0.0, 5.0]),
    windows_s=st.fixed_dictionaries({"click": limits, "conversion": limits}),
    **{key: st.sampled_from(known) for key, known in CHOICES.items()},
)
crediting = st.builds(
    Policy,
    tolerance_s=st.sampled_from([0.0, 5.0]),
    windows_s=st.fixed_dictionaries({"click": limits, "conversion": limits}),
    not_in_list=st.sampled_from(CHOICES["not_in_list"]),
    fallback=fallbacks,
)


def micros(seconds):
    return None if seconds is None else round(seconds * 1e6)


def windows_us(policy):
    return {kind: micros(seconds) for kind, seconds in policy.windows_s.items()}


def twin_fates(shown, done, policy):
    return oracle.fates(
        shown, done, tolerance_us=micros(policy.tolerance_s), windows_us=windows_us(policy),
        not_in_list=policy.not_in_list, user_mismatch=policy.user_mismatch, touch=policy.touch,
    )  # fmt: skip


def twin_credits(shown, done, policy):
    if policy.fallback is None:
        return [[] for _ in done]
    return oracle.credits(
        shown, done, credit=policy.fallback.credit, tolerance_us=micros(policy.tolerance_s),
        windows_us=windows_us(policy), fallback_us=micros(policy.fallback.window_s),
    )  # fmt: skip


def relevant(engine, relation):
    """Request → its relevant ranks, counted; their places are 1, 2, … with the ranks, None last."""
    found = {}
    for request, rank, place in engine.rows(f"SELECT request_id, item_rank, place FROM {relation}"):
        found.setdefault(request, []).append((place, rank))
    for places in found.values():
        ranks = [rank for _, rank in sorted(places)]
        assert sorted(place for place, _ in places) == list(range(1, len(places) + 1))
        assert ranks == sorted(ranks, key=lambda rank: (rank is None, rank))
    return {request: Counter(rank for _, rank in places) for request, places in found.items()}


def identity(row):
    return row["request_id"], row["item_id"], row["event_type"], oracle.micros(row["ts"]), row["user_id"]


@settings(max_examples=30, deadline=None)
@given(logs, policies | crediting, st.integers(1, 3), st.randoms())
def test_every_relation_equals_the_twin(joined, log, policy, cuts, shuffler):
    """Under any policy the fates, relevant items and inferred credits are those of the twin, in any order and cut."""
    shown, done = log
    fates, credited = twin_fates(shown, done, policy), twin_credits(shown, done, policy)
    shuffled = shuffler.sample(shown, len(shown)), shuffler.sample(done, len(done))
    with joined(*shuffled, policy=policy, cuts=cuts) as found:
        engine = found.engine
        assert Counter(
            engine.rows(
                "SELECT request_id, item_id, event_type, ts_us, user_id, fate, "
                "CASE WHEN fate = 'attributed' THEN shown_rank END FROM outcome_fates"
            )
        ) == Counter((*identity(row), *fate) for row, fate in zip(done, fates, strict=True))
        assert Counter(
            engine.rows(
                "SELECT request_id, item_id, event_type, ts_us, user_id, exposure_request_id, shown_rank, place, "
                "n_exposures FROM inferred_credits"
            )
        ) == Counter(
            (*identity(row), *credit, place, len(listed))
            for row, listed in zip(done, credited, strict=True)
            for place, credit in enumerate(listed, 1)
        )
        assert relevant(engine, "relevant") == oracle.relevant(done, fates)
        assert relevant(engine, "relevant_or_inferred") == oracle.relevant(done, fates, credited)
        described = quality.data_quality(found)
        points = quality.clicks_by_rank(found)
    counts = Counter(fate for fate, _ in fates)
    assert {fate: getattr(described.fates, fate) for fate in oracle.FATES} == {f: counts[f] for f in oracle.FATES}
    assert described.fates.rows == len(done)
    assert described.rates.match.numerator == len(done) - sum(counts[f] for f in ("duplicate", "orphan", "ambiguous"))
    assert described.inferred_outcomes == sum(map(bool, credited))
    clicked = Counter(rank for row, (_, rank) in zip(done, fates, strict=True) if rank and row["event_type"] == "click")
    assert {point.rank: point.clicks for point in points if point.clicks} == clicked
    assert {point.rank: point.share for point in points if point.clicks} == {
        rank: count / clicked.total() for rank, count in clicked.items()
    }


@pytest.mark.parametrize("wanted", [*oracle.FATES[1:], 1, 2])
def test_the_random_logs_reach_every_corner(wanted):
    """The logs above hold every fate that a valid row can have, and orphans that are credited to one or two lists."""
    if isinstance(wanted, str):
        drawn, holds = policies, lambda log, policy: wanted in {fate for fate, _ in twin_fates(*log, policy)}
    else:
        drawn, holds = crediting, lambda log, policy: wanted in map(len, twin_credits(*log, policy))
    once = settings(max_examples=3000, deadline=None, database=None, phases=[Phase.generate])
    find(st.tuples(logs, drawn), lambda pair: holds(*pair), settings=once)


def exposure(**replaced):
    items = [{"item_id": "a", "rank": 1}, {"item_id": "b", "rank": 2}]
    return {"request_id": "r", "user_id": "u", "ts": "2026-02-05T10:00:00Z", "items": items, **replaced}


def click(second, **replaced):
    return {
        "request_id": "r", "user_id": "u", "item_id": "a", "event_type": "click",
        "ts": f"2026-02-05T10:00:{second:02d}Z", **replaced,
    }  # fmt: skip


def fates_of(joined, shown, done, policy):
    with joined(shown, done, policy=policy) as found:
        return [fate for (fate,) in found.engine.rows("SELECT fate FROM outcome_fates ORDER BY ts_us, item_id")]


def test_first_touch_is_by_request_item_and_type(joined):
    """Of three clicks the earliest stays; a conversion, another item and a refused click are not in its way."""
    shown = [exposure(), exposure(request_id="r2")]
    done = [
        click(0, ts="2026-02-05T09:59:00Z"), click(1), click(2), click(3, item_id="b"),
        click(4, event_type="conversion"), click(5, request_id="r2"), click(6),
    ]  # fmt: skip
    expected = ["before_exposure", "attributed", "later_touch", *["attributed"] * 3, "later_touch"]
    assert fates_of(joined, shown, done, Policy(touch="first")) == expected
    assert "later_touch" not in fates_of(joined, shown, done, Policy())


def test_an_anonymous_exposure_mismatches_nobody(joined, quality_of):
    """Where the user_id of an exposure is nobody's, an outcome of any user counts, and none is flagged."""
    nobody = exposure(user_id="r", context={"anonymous": "true"})
    refusing = Policy(user_mismatch="refuse")
    assert fates_of(joined, [nobody], [click(1)], refusing) == ["attributed"]
    assert quality_of([nobody], [click(1)]).user_mismatch == 0
    assert fates_of(joined, [exposure(user_id="v")], [click(1)], refusing) == ["user_mismatch"]
    assert quality_of([exposure(user_id="v")], [click(1)]).user_mismatch == 1


def test_the_plain_join_counts_what_names_a_request(joined):
    """request_id_only: an item off the list, another user, years before or after, all count; no repetition does."""
    done = [
        click(0, ts="1999-01-01T00:00:00Z", user_id="v"), click(1, item_id="z"), click(2), click(2),
        click(3, ts="2199-01-01T00:00:00Z"),
    ]  # fmt: skip
    assert Counter(fates_of(joined, [exposure()], done, REQUEST_ID_ONLY)) == {"attributed": 4, "duplicate": 1}
    with joined([exposure()], done, policy=REQUEST_ID_ONLY) as found:
        points = quality.clicks_by_rank(found)
    assert [(point.rank, point.clicks, point.share) for point in points] == [(1, 3, 1.0), (2, 0, 0.0)]


@pytest.mark.parametrize(("credit", "expected"), [("last", [("r3", 2)]), ("first", [("r1", 2)]), ("all", ["all"])])
def test_whom_an_orphan_is_credited_to(joined, credit, expected):
    """Last, first or all lists that showed the item to the user; not those of others, of nobody, too old or late."""
    shown = [
        exposure(request_id="old", ts="2026-02-05T09:59:29.999999Z"),
        *(exposure(request_id=f"r{n}", ts=f"2026-02-05T10:00:0{n}Z") for n in (1, 2, 3)),
        exposure(request_id="late", ts="2026-02-05T10:00:35.000001Z"),
        exposure(request_id="other", user_id="v"),
        exposure(request_id="none", context={"anonymous": "true"}),
        exposure(request_id="without", items=[{"item_id": "a", "rank": 1}]),
        exposure(request_id="twice"), exposure(request_id="twice", items=[{"item_id": "b", "rank": 1}]),
    ]  # fmt: skip
    orphan = click(30, request_id="gone", item_id="b")
    policy = Policy(fallback=Fallback(credit=credit, window_s=60.0))
    with joined(shown, [orphan], policy=policy) as found:
        rows = found.engine.rows("SELECT exposure_request_id, shown_rank FROM inferred_credits ORDER BY place")
        described = quality.data_quality(found)
    assert rows == ([("r3", 2), ("r2", 2), ("r1", 2)] if expected == ["all"] else expected)
    assert (described.fates.orphan, described.inferred_outcomes, described.rates.match.numerator) == (1, 1, 0)

"""Ordering, similarity, popularity and the answers that are kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.ranking.candidates import Catalogue
from recsys.ranking.interactions import Interactions, Shared, Window, popularity, recent_items
from recsys.ranking.kept import Kept
from recsys.ranking.scoring import Weights, blend, top


@given(st.lists(st.integers(0, 5) | st.integers(0, 500), max_size=120), st.integers(1, 130) | st.integers(1, 3))
def test_top_is_the_head_of_a_stable_sort(values, k):
    """Greatest first, the lower index first among equals, for every k."""
    expected = sorted(range(len(values)), key=lambda index: (-values[index], index))[:k]
    assert top(np.array(values, dtype=np.float64), k).tolist() == expected


@pytest.mark.parametrize("values", [2, 50, 10**6])
def test_top_of_many_is_the_head_of_a_stable_sort(values):
    """The same where most values need not be sorted at all, with many equals and with few."""
    steps = np.random.default_rng(values).integers(0, values, 5003).astype(np.float64)
    order = np.lexsort((np.arange(5003), -steps))
    for k in (1, 2, 20, 200, 312, 313, 5002, 5003, 6000):
        assert top(steps, k).tolist() == order[:k].tolist()


def test_the_last_bits_of_a_sum_do_not_decide():
    """0.1 + 0.2 and 0.3 are one score, so that item_id orders them."""
    pop = np.array([0.3, 0.1 + 0.2, 1.0])
    scores = blend(Weights(pop=1.0, cooc=0.0), pop, None, None, 3)
    assert scores.steps[0] == scores.steps[1] == 300_000_000_000
    assert top(scores.steps, 2).tolist() == [2, 0]


def interactions(rows, users=3, items=4):
    columns = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return Interactions(users, items, columns[:, 0].astype(np.int32), columns[:, 1].astype(np.int32), columns[:, 2])


def test_popularity_halves_with_every_half_life():
    """An event one half-life old counts half, two half-lives a quarter."""
    events = interactions([(0, 0, 0), (0, 1, 10), (0, 2, 20), (1, 2, 20)])
    assert popularity(events, 4, half_life_us=10).tolist() == [0.25, 0.5, 2.0, 0.0]
    assert popularity(events, 2, half_life_us=10).tolist() == [0.5, 1.0, 0.0, 0.0]
    assert popularity(events, 0, half_life_us=10) is None


def test_similarity_is_the_cosine_between_sets_of_users():
    """Two users touched both 0 and 1, item 0 has three users, item 1 two: 2 / √6; repeats change nothing."""
    events = interactions([(0, 0, 1), (0, 1, 2), (0, 1, 3), (1, 0, 4), (1, 1, 5), (2, 0, 6), (2, 3, 7)])
    assert similarity(Window(events, 0, 7), 0) == pytest.approx([0, 2 / 6**0.5, 0, 1 / 3**0.5])
    assert similarity(Window(events, 2, 5), 0) == pytest.approx([0, 1 / 2**0.5, 0, 0])


def similarity(window, item):
    return window.similarity([(window.shared(item), window.inverse_root_audience[item])])


def test_recent_items_are_the_last_ones_each_once():
    """The newest first; an item touched again counts where it was touched last; outside the window nothing does."""
    events = interactions([(0, 0, 1), (0, 1, 2), (1, 3, 3), (0, 2, 4), (0, 0, 5), (0, 3, 6)])
    assert recent_items(events, 0, 0, 6, count=10) == [3, 0, 2, 1]
    assert recent_items(events, 0, 0, 6, count=2) == [3, 0]
    assert recent_items(events, 0, 1, 4, count=10) == [2, 1]
    assert recent_items(events, 2, 0, 6, count=10) == []
    long = interactions([(0, 0, 1), *[(0, 1, 2)] * 100, (0, 2, 3), *[(0, 3, 4)] * 100])
    assert recent_items(long, 0, 0, 202, count=4) == [3, 2, 1, 0]
    assert recent_items(long, 0, 1, 202, count=4) == [3, 2, 1]


@given(st.lists(st.sampled_from([0, 0, 0, 1, 2, 300]), min_size=1, max_size=12))
def test_both_forms_of_shared_counts_add_the_same(users):
    """With some items or with all, the smaller form is kept and adds the same."""
    shared = Shared.of_all(np.array(users))
    total = np.ones(len(users))
    shared.add_to(total, 0.5)
    assert total.tolist() == [1 + count / 2 for count in users]
    width = 2 if max(users) > 255 else 1
    assert shared.bytes == min(width * len(users), (width + 8) * sum(map(bool, users)))


def test_kept_answers_are_bounded_and_the_last_used_stay():
    """The one used longest ago goes first; each is made once while it is kept."""
    made = []
    kept = Kept(room=10, size=len)

    def ask(key, size):
        return kept.get(key, lambda: made.append(key) or "x" * size)

    ask("a", 4), ask("b", 4), ask("a", 4), ask("c", 4)
    assert made == ["a", "b", "c"]
    assert (len(kept), kept.used) == (2, 8)
    ask("a", 4), ask("b", 4)
    assert made == ["a", "b", "c", "b"]
    ask("big", 99)
    assert (len(kept), kept.used) == (1, 99)


def test_an_answer_may_be_none():
    """None is an answer, not an absence of one."""
    made = []
    kept = Kept(room=2)
    assert [kept.get(1, lambda: made.append(1)) for _ in range(3)] == [None, None, None]
    assert made == [1]


@pytest.mark.parametrize("item_ids", [["b", "a"], ["a", "a"]])
def test_a_catalogue_is_ordered_and_distinct(item_ids):
    """Positions stand for ids in ties, so an unordered catalogue is refused."""
    with pytest.raises(ValueError, match="ascending"):
        Catalogue(item_ids, [(), ()])

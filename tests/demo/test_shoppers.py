"""The demo's truth: the shop and its shoppers follow from the seed, and behave as their model says."""

import json

import numpy as np
import pytest

from recsys.demo import shop as shops
from recsys.demo.shoppers import LIST_LENGTH, attraction, examination, plan, react


@pytest.fixture(scope="module")
def shop():
    return shops.open_shop(7, items=200, shoppers=300)


def test_the_same_seed_gives_the_same_files(shop, tmp_path):
    """Two shops of one seed write byte-identical items and events; another seed does not."""
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        one = shops.open_shop(seed, items=200, shoppers=300)
        shops.write_items(one, tmp_path / f"{name}.items")
        shops.write_events(one, tmp_path / f"{name}.events", events=1000)
    assert (tmp_path / "a.items").read_bytes() == (tmp_path / "b.items").read_bytes()
    assert (tmp_path / "a.events").read_bytes() == (tmp_path / "b.events").read_bytes()
    assert (tmp_path / "a.events").read_bytes() != (tmp_path / "c.events").read_bytes()


def test_events_end_at_closing_time_and_follow_taste(shop, tmp_path):
    """The newest event is at the shop's closing time, and most events are in a favourite category."""
    shops.write_events(shop, tmp_path / "events", events=5000)
    rows = [json.loads(line) for line in (tmp_path / "events").read_bytes().splitlines()]
    assert len(rows) == 5000
    assert max(row["ts"] for row in rows) == shops.CLOSING.isoformat().replace("+00:00", "Z")
    liked = [
        shop.affinity(int(row["user_id"].removeprefix("shopper-")), shops.item_index(row["item_id"])) > 0
        for row in rows
    ]
    assert 0.8 < np.mean(liked) < 0.95


def test_clicks_follow_position_and_taste(shop):
    """Over many visits, clicks at each rank come as often as examination × attraction says (within 4 sigma)."""
    visits = plan(shop, 4000)
    expected, variance, seen = np.zeros(LIST_LENGTH), np.zeros(LIST_LENGTH), np.zeros(LIST_LENGTH)
    shown = list(range(LIST_LENGTH))
    for visit in visits:
        clicked = {action.item for action in react(shop, visit, shown) if action.event_type == "click"}
        for rank, item in enumerate(shown, start=1):
            p = examination(rank) * attraction(shop, visit.shopper, item)
            expected[rank - 1] += p
            variance[rank - 1] += p * (1 - p)
            seen[rank - 1] += item in clicked
    assert np.all(np.abs(seen - expected) < 4 * np.sqrt(variance))


def test_reactions_depend_on_the_request_alone(shop):
    """Replaying visits in another order gives the same actions; a purchase always follows its click."""
    visits = plan(shop, 200)
    shown = list(range(30))
    forward = [react(shop, visit, shown) for visit in visits]
    backward = [react(shop, visit, shown) for visit in reversed(visits)]
    assert forward == backward[::-1]
    for actions in forward:
        clicked = {action.item for action in actions if action.event_type == "click"}
        assert {action.item for action in actions if action.event_type == "conversion"} <= clicked

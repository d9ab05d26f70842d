"""How simulated shoppers behave: which page they open, which items they look at, click and buy.

The model is position and taste (Craswell et al. 2008, the position-based model): a shopper examines rank r with
probability r^-0.7, and clicks an examined item with a probability that grows with the taste for its category and its
appeal. Each draw is a hash of (seed, request, item, question), so it depends neither on timing nor on the order in
which concurrent requests are answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from recsys.demo.shop import Shop

POSITION_EXPONENT = 0.7
CLICK_BASE, CLICK_TASTE, CLICK_APPEAL = 0.02, 0.22, 0.12
BUY_AFTER_CLICK = 0.15
ITEM_PAGE_SHARE = 0.3
DEVICES = ("web", "app")
LIST_LENGTH = 20


@dataclass(frozen=True)
class Visit:
    """One page view that asks for recommendations; ``anchor`` is the item of an item page."""

    number: int
    request_id: str
    shopper: int
    surface: str
    device: str
    anchor: int | None


@dataclass(frozen=True)
class Action:
    """A click or a purchase of one shown item. ``value`` is the price paid."""

    item: int
    event_type: str
    value: float | None = None


def examination(rank: int) -> float:
    """P(the shopper looks at this rank); 1 for rank 1."""
    return float(rank**-POSITION_EXPONENT)


def attraction(shop: Shop, shopper: int, item: int) -> float:
    """P(click | the shopper looks at the item)."""
    return CLICK_BASE + CLICK_TASTE * shop.affinity(shopper, item) + CLICK_APPEAL * float(shop.appeal[item])


def plan(shop: Shop, requests: int) -> list[Visit]:
    """The page views of the demo, in order. Request ids carry seed and number."""
    rng = np.random.default_rng([shop.seed, 3])
    shoppers = rng.integers(0, shop.shoppers, requests)
    on_item_page = rng.random(requests) < ITEM_PAGE_SHARE
    devices = rng.integers(0, len(DEVICES), requests)
    visits = []
    for number, shopper in enumerate(shoppers):
        liked = np.flatnonzero(shop.category == shop.favourites[shopper, 0])
        anchor = int(rng.choice(liked)) if on_item_page[number] else None
        visits.append(
            Visit(
                number=number,
                request_id=f"demo-{shop.seed}-{number:06d}",
                shopper=int(shopper),
                surface="home" if anchor is None else "item_page",
                device=DEVICES[devices[number]],
                anchor=anchor,
            )
        )
    return visits


def react(shop: Shop, visit: Visit, shown: list[int]) -> list[Action]:
    """What the shopper does with the list ``shown`` (items in rank order): clicks, and purchases after a click."""
    actions = []
    for rank, item in enumerate(shown, start=1):
        p_click = examination(rank) * attraction(shop, visit.shopper, item)
        if draw(shop.seed, visit.request_id, str(item), "click") >= p_click:
            continue
        actions.append(Action(item, "click"))
        if draw(shop.seed, visit.request_id, str(item), "buy") < BUY_AFTER_CLICK:
            actions.append(Action(item, "conversion", float(shop.price[item])))
    return actions


def draw(seed: int, *words: str) -> float:
    """A number in [0, 1) that depends on the seed and these words alone."""
    digest = blake2b("\0".join((str(seed), *words)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64

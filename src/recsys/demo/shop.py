"""A small shop with a known truth: items in categories, shoppers with tastes, and what they did before today.

All of it follows from the seed, so that two demos with one seed show the same lists. The clock of the shop is
fixed too: its newest event is ``CLOSING``, and the service counts popularity and co-visitation from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

CATEGORIES = (
    "audio", "bags", "bikes", "books", "cameras", "camping", "coffee", "fitness", "games", "garden",
    "kids", "kitchen", "lamps", "music", "pets", "running", "shoes", "tools", "toys", "watches",
)  # fmt: skip
BRANDS = ("acme", "birch", "corvo", "delta", "ember", "fjord", "grove", "harbor")
CLOSING = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
HISTORY = timedelta(days=45)
FAVOURITES = 3
LOYALTY = 0.85
"""The share of a shopper's actions that stay within the favourite categories."""
CONVERSION_SHARE = 0.08
"""The share of past events that were purchases; the others were clicks."""

Indices: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Shop:
    """Items are indexed 0…n-1, shoppers 0…m-1.

    ``category``: int[n]; ``price``: float[n], in the shop's currency; ``appeal``: float[n], in (0, 1];
    ``favourites``: int[m, FAVOURITES], the categories that a shopper likes, most liked first.
    """

    seed: int
    category: Indices
    price: npt.NDArray[np.float64]
    appeal: npt.NDArray[np.float64]
    favourites: Indices

    @property
    def items(self) -> int:
        """How many items there are."""
        return len(self.category)

    @property
    def shoppers(self) -> int:
        """How many shoppers there are."""
        return len(self.favourites)

    def affinity(self, shopper: int, item: int) -> float:
        """How much the shopper likes the item's category: 1 for the favourite, ½ and ⅓ for the next, else 0."""
        places = np.flatnonzero(self.favourites[shopper] == self.category[item])
        return float(1.0 / (1 + places[0])) if len(places) else 0.0


def item_id(index: int) -> str:
    """The shop's name of an item."""
    return f"item-{index:05d}"


def item_index(name: str) -> int:
    """The index behind the shop's name of an item."""
    return int(name.removeprefix("item-"))


def shopper_id(index: int) -> str:
    """The shop's own, raw, name of a shopper; only the service's pseudonym of it reaches a log."""
    return f"shopper-{index:05d}"


def open_shop(seed: int, *, items: int = 2_000, shoppers: int = 4_000) -> Shop:
    """The shop of this seed."""
    rng = np.random.default_rng([seed, 1])
    category = np.sort(rng.integers(0, len(CATEGORIES), items))
    appeal = rng.beta(1.2, 4.0, items).clip(0.01, 1.0)
    price = np.exp(rng.normal(3.3, 0.7, items)).round(2)
    favourites = np.argsort(rng.random((shoppers, len(CATEGORIES))), axis=1)[:, :FAVOURITES]
    return Shop(seed=seed, category=category, price=price, appeal=appeal, favourites=favourites)


def write_items(shop: Shop, path: Path) -> None:
    """Write the catalogue as JSONL, in the form that ``recsys-service import items`` reads."""
    encoder = msgspec.json.Encoder()
    with path.open("wb") as out:
        for index in range(shop.items):
            category = CATEGORIES[shop.category[index]]
            price = float(shop.price[index])
            row = {
                "item_id": item_id(index),
                "title": f"{category.title()} {index:05d}",
                "category": category,
                "brand": BRANDS[index % len(BRANDS)],
                "price": price,
                "tags": [category, BRANDS[index % len(BRANDS)], "premium" if price > 50 else "everyday"],
            }
            out.write(encoder.encode(row) + b"\n")


def write_events(shop: Shop, path: Path, *, events: int = 200_000) -> None:
    """Write what shoppers did before today as JSONL, in the form that ``recsys-service import events`` reads."""
    encoder = msgspec.json.Encoder()
    with path.open("wb") as out:
        for row in _history(shop, events):
            out.write(encoder.encode(row) + b"\n")


def _history(shop: Shop, events: int) -> Iterator[dict[str, object]]:
    rng = np.random.default_rng([shop.seed, 2])
    activity = rng.pareto(1.5, shop.shoppers) + 0.2
    who = rng.choice(shop.shoppers, size=events, p=activity / activity.sum())
    what = _choices(shop, who, rng)
    bought = rng.random(events) < CONVERSION_SHARE
    age_s = np.sort(rng.random(events) * HISTORY.total_seconds())[::-1]
    age_s -= age_s[-1]  # the last event is at closing time, to the second
    for shopper, item, conversion, age in zip(who, what, bought, age_s.round(), strict=True):
        row: dict[str, object] = {
            "user_id": shopper_id(shopper),
            "item_id": item_id(item),
            "event_type": "conversion" if conversion else "click",
            "ts": CLOSING - timedelta(seconds=float(age)),
        }
        if conversion:
            row["value"] = float(shop.price[item])
        yield row


def _choices(shop: Shop, who: Indices, rng: np.random.Generator) -> Indices:
    """Which item each action is on: a category by taste, then an item of it by its appeal."""
    weights = 1.0 / (1 + np.arange(FAVOURITES))
    place = rng.choice(FAVOURITES, size=len(who), p=weights / weights.sum())
    loyal = rng.random(len(who)) < LOYALTY
    category = np.where(loyal, shop.favourites[who, place], rng.integers(0, len(CATEGORIES), len(who)))
    what = np.empty(len(who), dtype=np.int64)
    for number in range(len(CATEGORIES)):
        rows = np.flatnonzero(category == number)
        members = np.flatnonzero(shop.category == number)
        shares = shop.appeal[members] / shop.appeal[members].sum()
        what[rows] = rng.choice(members, size=len(rows), p=shares)
    return what

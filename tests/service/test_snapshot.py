"""Snapshots: what their hash says, that every worker agrees, and how a registry replaces them."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ranking_worlds import tenant_data
from recsys.contracts.config import TenantConfig
from recsys.errors import StorageError
from recsys.ranking.engine import Query
from recsys.ranking.scoring import Weights
from recsys.service.signals.data import ItemRow
from recsys.service.signals.registry import Registry
from recsys.service.signals.snapshot import build

DAY = 86_400_000_000
ITEMS = {"a": ("x",), "b": ("x", "y"), "c": ()}
EVENTS = [("u1", "a", DAY), ("u1", "b", 2 * DAY), ("u2", "b", 2 * DAY)]
QUERY = Query(k=2, weights=Weights(1, 1), subject="u2")


def test_the_hash_is_that_of_the_signals():
    """Equal signals, equal hash, whatever the revision, the configuration and the order of rows."""
    data = tenant_data(ITEMS, EVENTS)
    again = tenant_data(ITEMS, EVENTS[::-1], revision=7, config=TenantConfig())
    assert build(data).content_hash == build(again).content_hash
    assert len(build(data).content_hash) == 16


@pytest.mark.parametrize(
    "other",
    [
        tenant_data({**ITEMS, "d": ()}, EVENTS),
        tenant_data({**ITEMS, "c": ("x",)}, EVENTS),
        tenant_data({**ITEMS, "b": ("xy",)}, EVENTS),
        tenant_data(ITEMS, EVENTS[:2]),
        tenant_data(ITEMS, [*EVENTS[:2], ("u3", "b", 2 * DAY)]),
        tenant_data(ITEMS, [*EVENTS[:2], ("u2", "c", 2 * DAY)]),
        tenant_data(ITEMS, [*EVENTS[:2], ("u2", "b", 2 * DAY + 1)]),
    ],
)
def test_any_other_signal_is_another_hash(other):
    """An item, a tag, a user, an item of an event or a time that differs is told by the hash."""
    assert build(other).content_hash != build(tenant_data(ITEMS, EVENTS)).content_hash


def test_parameters_are_part_of_the_hash():
    """Half-life and window change lists, so they change the release."""
    data = tenant_data(ITEMS, EVENTS)
    hashes = {build(data).content_hash, build(data, half_life_days=7).content_hash}
    assert len(hashes | {build(data, covis_window_days=7).content_hash}) == 3


def test_data_out_of_order_is_refused():
    """What the store promises is checked, so that a fault there never becomes a wrong list."""
    data = tenant_data(ITEMS, EVENTS)
    faults = [
        replace(data, event_ts=data.event_ts[::-1].copy()),
        replace(data, event_ts=data.event_ts[:2]),
        replace(data, event_item=np.array([0, 1, 3], dtype=np.int32)),
        replace(data, event_user=np.array([-1, 0, 0], dtype=np.int32)),
        replace(data, items=[ItemRow("b", ()), ItemRow("a", ()), ItemRow("c", ())]),
    ]
    for fault in faults:
        with pytest.raises(ValueError, match=r"sorted|length|unknown|ascending"):
            build(fault)


LISTS = """
import random, sys
from recsys.ranking.engine import Query
from recsys.ranking.scoring import Weights
from recsys.service.signals.snapshot import build
from ranking_worlds import tenant_data

rng = random.Random(5)
items = {f"i{n:03d}": tuple(rng.sample(["red", "blue", "green"], 2)) for n in range(400)}
events = [(f"u{rng.randrange(60)}", f"i{int(rng.random() ** 2 * 400):03d}", rng.randrange(10**12)) for _ in range(5000)]
snapshot = build(tenant_data(items, events))
for user in range(60):
    query = Query(k=20, weights=Weights(0.7, 0.3), subject=f"u{user}", anchors=(f"i{user:03d}",), include_reasons=True,
                  exclude=["i000", "i007"], required_tags=["red", "blue"], max_per_tag={"GREEN": 4})
    print(snapshot.rank(query), snapshot.content_hash)
"""


def test_every_process_gives_the_same_bytes():
    """No order of a set or a dict decides: two processes with other hash seeds print the same lists."""
    printed = set()
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
        done = subprocess.run([sys.executable, "-c", LISTS], env=env, capture_output=True, check=True)
        printed.add(done.stdout)
    assert len(printed) == 1
    assert b"co_visitation" in printed.pop()


def test_a_registry_loads_what_changed_and_drops_what_is_gone():
    """Only new revisions are read; the others keep their very snapshot."""
    loaded = []

    def load(tenant):
        loaded.append(tenant)
        return tenant_data(ITEMS, EVENTS, tenant=tenant, revision=revisions[tenant])

    registry = Registry()
    assert not registry.ready
    revisions = {"b": 1, "a": 1}
    assert registry.refresh(revisions, load).loaded == ("a", "b")
    assert registry.ready
    kept = registry.get("a")
    revisions = {"a": 1, "b": 2, "c": 1}
    assert registry.refresh(revisions, load).loaded == ("b", "c")
    assert registry.get("a") is kept
    refreshed = registry.refresh({"c": 1}, load)
    assert (refreshed.dropped, registry.tenants()) == (("a", "b"), ["c"])
    assert loaded == ["a", "b", "b", "c"]
    assert registry.get("a") is None


def test_a_failed_refresh_keeps_the_old_snapshot():
    """One tenant's bad data neither takes its old lists away nor holds up the others."""
    registry = Registry()

    def load(tenant):
        if tenant == "bad" and broken:
            raise StorageError("gone")
        return tenant_data(ITEMS, EVENTS, tenant=tenant, revision=revisions[tenant])

    broken = True
    revisions = {"bad": 1, "good": 1}
    first = registry.refresh(revisions, load)
    assert (first.loaded, list(first.failed), registry.ready) == (("good",), ["bad"], False)
    broken = False
    registry.refresh(revisions, load)
    assert registry.ready
    old = registry.get("bad")
    broken = True
    revisions = {"bad": 2, "good": 2}
    again = registry.refresh(revisions, load)
    assert (again.loaded, str(again.failed["bad"])) == (("good",), "gone")
    assert registry.get("bad") is old
    assert registry.ready


def test_a_registry_builds_with_its_parameters():
    """Half-life and window of the settings reach the snapshot."""
    registry = Registry(half_life_days=1, covis_window_days=2)
    registry.refresh({"t": 1}, lambda _: tenant_data(ITEMS, EVENTS))
    snapshot = registry.get("t")
    assert snapshot is not None
    data = tenant_data(ITEMS, EVENTS)
    assert snapshot.content_hash == build(data, half_life_days=1, covis_window_days=2).content_hash
    assert (snapshot.knows("a"), snapshot.knows("zz")) == (True, False)
    assert [item.item_id for item in snapshot.rank(QUERY).items] == ["a", "b"]

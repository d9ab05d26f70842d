"""What one tenant is served from: configuration and signals of one revision, immutable, the same on every worker."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from recsys.contracts.config import TenantConfig
from recsys.ranking.candidates import Catalogue
from recsys.ranking.engine import ALGO_VERSION, Query, Ranking, rank
from recsys.ranking.interactions import Interactions
from recsys.ranking.signals import Signals
from recsys.service.signals.data import TenantData

HASH_DIGITS = 16


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One revision of a tenant. ``content_hash``: 16 hex digits of what the signals are made of, part of ``release``.

    Equal catalogue, events and parameters give an equal hash, whatever the revision or the configuration.
    """

    tenant_id: str
    revision: int
    config: TenantConfig
    config_version: str
    content_hash: str
    signals: Signals

    def rank(self, query: Query) -> Ranking:
        """The list for ``query``."""
        return rank(self.signals, query)

    def knows(self, item_id: str) -> bool:
        """Whether the catalogue has the item."""
        return item_id in self.signals.catalogue.position


def build(data: TenantData, *, half_life_days: float = 30.0, covis_window_days: float = 30.0) -> Snapshot:
    """The snapshot of ``data``; signals of the newest event are computed here, before the first request asks.

    ValueError where ``data`` is not ordered as it promises: the store is then at fault, not a request.
    """
    _check(data)
    events = Interactions(len(data.users), len(data.items), data.event_user, data.event_item, data.event_ts)
    catalogue = Catalogue([item.item_id for item in data.items], [item.tags for item in data.items])
    users = {user: number for number, user in enumerate(data.users)}
    signals = Signals(catalogue, events, users, half_life_days, covis_window_days)
    signals.prepare()
    content_hash = _content_hash(data, (ALGO_VERSION, repr(float(half_life_days)), repr(float(covis_window_days))))
    return Snapshot(data.tenant_id, data.revision, data.config, data.config_version, content_hash, signals)


def _check(data: TenantData) -> None:
    sizes = {len(data.event_user), len(data.event_item), len(data.event_ts)}
    if len(sizes) != 1:
        raise ValueError("event columns differ in length")
    if np.any(data.event_ts[1:] < data.event_ts[:-1]):
        raise ValueError("events are not sorted by time")
    for column, size in ((data.event_user, len(data.users)), (data.event_item, len(data.items))):
        if len(column) and not (column.min() >= 0 and column.max() < size):
            raise ValueError("an event is of an unknown user or item")


def _content_hash(data: TenantData, parameters: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in _parts(data, parameters):
        digest.update(len(part).to_bytes(8, "big"))  # lengths, so that no two contents spell the same bytes
        digest.update(part)
    return digest.hexdigest()[:HASH_DIGITS]


def _parts(data: TenantData, parameters: Iterable[str]) -> Iterator[bytes]:
    yield "\0".join(parameters).encode()
    for item in data.items:
        yield item.item_id.encode()
        yield "\0".join(item.tags).encode()
    yield "\0".join(data.users).encode()
    yield np.ascontiguousarray(data.event_user, dtype="<i4").tobytes()
    yield np.ascontiguousarray(data.event_item, dtype="<i4").tobytes()
    yield np.ascontiguousarray(data.event_ts, dtype="<i8").tobytes()

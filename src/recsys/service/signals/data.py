"""What the store hands to the signals: one tenant's configuration, catalogue and events, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsys.contracts.config import TenantConfig


class ItemRow(NamedTuple):
    """One item of the catalogue; tags as they were imported, compared without case."""

    item_id: str
    tags: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class TenantData:
    """Everything that a snapshot is built from, read at one revision.

    ``items`` are sorted by item_id (by code point) and ``users`` (pseudonyms) likewise, both without repetition.
    Event ``i`` is (user ``event_user[i]``, item ``event_item[i]``, ``event_ts[i]`` µs since 1970 UTC), the first two
    as positions in ``users`` and ``items``; events are sorted by (ts, user, item, event type).
    ``event_user``: int32[n]; ``event_item``: int32[n]; ``event_ts``: int64[n].
    """

    tenant_id: str
    revision: int
    config: TenantConfig
    config_version: str
    items: list[ItemRow]
    users: list[str]
    event_user: npt.NDArray[np.int32]
    event_item: npt.NDArray[np.int32]
    event_ts: npt.NDArray[np.int64]

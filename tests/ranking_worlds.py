"""Small shops for tests of ranking: from rows to what the ranking reads."""

import numpy as np

from recsys.contracts.config import TenantConfig
from recsys.service.signals.data import ItemRow, TenantData


def tenant_data(items, events, *, tenant="t", revision=1, config=None):
    """TenantData of ``items`` (id → tags) and ``events`` (user, item, µs), ordered as the store orders them."""
    ids = sorted(items)
    users = sorted({user for user, _, _ in events})
    rows = sorted((ts, users.index(user), ids.index(item)) for user, item, ts in events)
    columns = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return TenantData(
        tenant_id=tenant,
        revision=revision,
        config=config or TenantConfig(),
        config_version="v1",
        items=[ItemRow(item, tuple(items[item])) for item in ids],
        users=users,
        event_user=columns[:, 1].astype(np.int32),
        event_item=columns[:, 2].astype(np.int32),
        event_ts=columns[:, 0].copy(),
    )

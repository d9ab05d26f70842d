"""Everything that a tenant's snapshot is built from, read in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import select

from recsys.service.signals.data import ItemRow, TenantData
from recsys.service.store.tables import tenant
from recsys.service.store.tenants import current_config

if TYPE_CHECKING:
    from sqlalchemy import Connection

# Users and items are numbered by the database, so that each name crosses the wire once and events are three numbers.
_ITEMS = 'SELECT item_id, tags FROM item WHERE tenant_id = %s ORDER BY item_id COLLATE "C"'
_USERS = 'SELECT DISTINCT user_id COLLATE "C" AS user_id FROM event WHERE tenant_id = %s ORDER BY 1'
_EVENTS = """
    WITH users AS MATERIALIZED (
        SELECT user_id, (row_number() OVER (ORDER BY user_id COLLATE "C") - 1)::int AS number
        FROM (SELECT DISTINCT user_id FROM event WHERE tenant_id = %(tenant)s) AS distinct_users
    ),
    items AS MATERIALIZED (
        SELECT item_id, (row_number() OVER (ORDER BY item_id COLLATE "C") - 1)::int AS number
        FROM item WHERE tenant_id = %(tenant)s
    )
    SELECT u.number, i.number, (extract(epoch FROM e.ts) * 1000000)::bigint
    FROM event AS e
    JOIN users AS u ON u.user_id = e.user_id
    JOIN items AS i ON i.item_id = e.item_id
    WHERE e.tenant_id = %(tenant)s
    ORDER BY e.ts, u.number, i.number, e.event_type COLLATE "C"
"""
_HEADER, _ROW = 19, np.dtype(
    [("fields", ">i2"), ("l1", ">i4"), ("user", ">i4"), ("l2", ">i4"), ("item", ">i4"), ("l3", ">i4"), ("ts", ">i8")]
)  # fmt: skip
"""The binary COPY format: a header of 19 bytes, rows of a field count and (length, value) pairs, a trailer of 2."""


def load_tenant(opened: Connection, tenant_id: str) -> TenantData:
    """The tenant's data at its revision. Events of items that the catalogue does not have are left out.

    KeyError where there is no such tenant.
    """
    raw: Any = opened.connection.driver_connection
    revision = opened.execute(select(tenant.c.revision).where(tenant.c.tenant_id == tenant_id)).scalar_one_or_none()
    if revision is None:
        raise KeyError(tenant_id)
    current = current_config(opened, tenant_id)
    with raw.cursor() as cursor:
        # Fresh imports have no statistics yet, and without them the planner looks items up one by one
        cursor.execute("SET LOCAL enable_nestloop = off")
        items = [ItemRow(item_id, tuple(tags)) for item_id, tags in cursor.execute(_ITEMS, (tenant_id,))]
        users = [user for (user,) in cursor.execute(_USERS, (tenant_id,))]
        events = _copied(cursor, tenant_id)
    return TenantData(
        tenant_id=tenant_id,
        revision=revision,
        config=current.config,
        config_version=current.name,
        items=items,
        users=users,
        event_user=events["user"].astype(np.int32),
        event_item=events["item"].astype(np.int32),
        event_ts=events["ts"].astype(np.int64),
    )


def _copied(cursor: Any, tenant_id: str) -> Any:
    with cursor.copy(f"COPY ({_EVENTS}) TO STDOUT (FORMAT binary)", {"tenant": tenant_id}) as copy:
        data = b"".join(bytes(part) for part in copy)
    return np.frombuffer(data, dtype=_ROW, offset=_HEADER, count=(len(data) - _HEADER - 2) // _ROW.itemsize)

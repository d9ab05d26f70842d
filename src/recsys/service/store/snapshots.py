"""All versions of a tenant's configuration, as they are exported."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import select

from recsys import __version__
from recsys.contracts import config as configs
from recsys.contracts.snapshot import ConfigVersion, Snapshot
from recsys.service.store import tenants
from recsys.service.store.tables import config

if TYPE_CHECKING:
    from sqlalchemy import Connection


def export(opened: Connection, tenant_id: str, now: datetime) -> Snapshot:
    """The tenant's snapshot; UsageError where there is no such tenant."""
    tenants.require_tenant(opened, tenant_id)
    kept = _config_versions(opened, tenant_id)
    first = ConfigVersion(
        version=tenants.EMPTY.version,
        name=tenants.EMPTY.name,
        created_at=None,
        current=not kept,
        document=tenants.EMPTY.config,
    )
    return Snapshot(tenant_id=tenant_id, exported_at=now, service_version=__version__, config=[first, *kept])


def _config_versions(opened: Connection, tenant_id: str) -> list[ConfigVersion]:
    rows = opened.execute(
        select(config.c.version, config.c.content_hash, config.c.document, config.c.created_at)
        .where(config.c.tenant_id == tenant_id)
        .order_by(config.c.version)
    ).all()
    return [
        ConfigVersion(
            version=row.version,
            name=tenants.version_name(row.version, row.content_hash),
            created_at=row.created_at.astimezone(UTC),
            current=place == len(rows),
            document=configs.parse(bytes(row.document), where=f"configuration {row.version}"),
        )
        for place, row in enumerate(rows, start=1)
    ]

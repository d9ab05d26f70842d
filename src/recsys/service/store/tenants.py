"""Tenants, their API keys, and the versions of their configuration."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from recsys.contracts import config as configs
from recsys.contracts.config import TenantConfig
from recsys.errors import StorageError, UsageError, nearest
from recsys.service.store.tables import api_key, config, tenant
from recsys.service.tenants import Identity, Listing

if TYPE_CHECKING:
    from sqlalchemy import Connection

ROLES = ("viewer", "operator", "admin", "browser")
KEY_PREFIX = "rs_"
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Key(NamedTuple):
    """An API key without its secret."""

    key_id: str
    tenant_id: str
    role: str
    created_at: datetime
    revoked_at: datetime | None


class ConfigVersion(NamedTuple):
    """A version of a configuration; ``name`` is what lists and logs carry, such as ``c3-1f0a…``."""

    version: int
    name: str
    config: TenantConfig


EMPTY = ConfigVersion(0, "c0-default", TenantConfig())


def create_tenant(opened: Connection, tenant_id: str) -> bool:
    """Make a tenant; False where it exists already. UsageError for a name that cannot stand in paths and logs."""
    if not _TENANT.fullmatch(tenant_id) or tenant_id in {".", ".."}:
        expected = "1 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or digit"
        raise UsageError("not a usable tenant name", found=repr(tenant_id[:80]), expected=expected)
    made = upsert(tenant).values(tenant_id=tenant_id).on_conflict_do_nothing().returning(tenant.c.tenant_id)
    return opened.execute(made).one_or_none() is not None


def list_tenants(opened: Connection) -> dict[str, int]:
    """Every tenant with its revision."""
    rows = opened.execute(select(tenant.c.tenant_id, tenant.c.revision).order_by(tenant.c.tenant_id))
    return {row.tenant_id: row.revision for row in rows}


def require_tenant(opened: Connection, tenant_id: str) -> None:
    """UsageError where there is no such tenant, with the nearest."""
    known = list(list_tenants(opened))
    if tenant_id not in known:
        hint = nearest(tenant_id, known) if known else f"Make it: recsys-service tenant create {tenant_id}"
        raise UsageError("no such tenant", found=repr(tenant_id[:80]), hint=hint)


def touch(opened: Connection, tenant_id: str) -> None:
    """Raise the tenant's revision: its data changed, and workers should look."""
    raised = update(tenant).where(tenant.c.tenant_id == tenant_id).values(revision=tenant.c.revision + 1)
    opened.execute(raised)


def create_key(opened: Connection, tenant_id: str, role: str) -> tuple[str, str]:
    """Make an API key; returns (key id, secret). The secret is shown once: only its SHA-256 is kept."""
    require_tenant(opened, tenant_id)
    if role not in ROLES:
        raise UsageError("no such role", found=role, hint=nearest(role, ROLES))
    secret = KEY_PREFIX + secrets.token_urlsafe(32)
    key_id = secrets.token_hex(4)
    digest = hashlib.sha256(secret.encode()).hexdigest()
    opened.execute(insert(api_key).values(key_id=key_id, tenant_id=tenant_id, role=role, sha256=digest))
    return key_id, secret


def list_keys(opened: Connection, tenant_id: str | None) -> list[Key]:
    """The keys of a tenant, or of all, oldest first; revoked ones too."""
    columns = (api_key.c.key_id, api_key.c.tenant_id, api_key.c.role, api_key.c.created_at, api_key.c.revoked_at)
    query = select(*columns).order_by(api_key.c.created_at, api_key.c.key_id)
    if tenant_id is not None:
        require_tenant(opened, tenant_id)
        query = query.where(api_key.c.tenant_id == tenant_id)
    return [Key(*row) for row in opened.execute(query)]


def revoke_key(opened: Connection, key_id: str) -> None:
    """Revoke a key; UsageError where there is none of this id. Workers stop taking it at their next refresh."""
    revoked = update(api_key).where(api_key.c.key_id == key_id).values(revoked_at=func.now())
    if opened.execute(revoked.where(api_key.c.revoked_at.is_(None))).rowcount == 0:
        raise UsageError("no such key, or it is revoked already", found=key_id, hint="See `recsys-service key list`.")


def listing(opened: Connection) -> Listing:
    """What workers need to know: usable keys, and the revision of every tenant."""
    keys = opened.execute(
        select(api_key.c.sha256, api_key.c.tenant_id, api_key.c.role).where(api_key.c.revoked_at.is_(None))
    )
    return Listing({digest: Identity(tenant_id, role) for digest, tenant_id, role in keys}, list_tenants(opened))


def current_config(opened: Connection, tenant_id: str) -> ConfigVersion:
    """The configuration that counts; the empty one, version 0, where none was set."""
    row = opened.execute(
        select(config.c.version, config.c.content_hash, config.c.document)
        .where(config.c.tenant_id == tenant_id)
        .order_by(config.c.version.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return EMPTY
    return ConfigVersion(
        row[0], version_name(row[0], row[1]), configs.parse(bytes(row[2]), where=f"configuration {row[0]}")
    )


def set_config(opened: Connection, tenant_id: str, new: TenantConfig, *, expected: int | None = None) -> ConfigVersion:
    """Make ``new`` the next version; the current one where nothing changes.

    StorageError where the current version is not the ``expected`` one: somebody else was faster.
    """
    require_tenant(opened, tenant_id)
    opened.execute(select(tenant.c.revision).where(tenant.c.tenant_id == tenant_id).with_for_update())
    current = current_config(opened, tenant_id)
    if expected is not None and current.version != expected:
        found = f"version {current.version}"
        raise StorageError(
            "the configuration was changed meanwhile", where=tenant_id, found=found, expected=f"version {expected}"
        )
    document = configs.encode(new)
    if document == configs.encode(current.config) and current.version:
        return current
    digest = hashlib.sha256(document).hexdigest()[:12]
    version = current.version + 1
    opened.execute(
        insert(config).values(tenant_id=tenant_id, version=version, document=document, content_hash=digest)
    )  # fmt: skip
    touch(opened, tenant_id)
    return ConfigVersion(version, version_name(version, digest), new)


def version_name(version: int, digest: str) -> str:
    """What lists and logs carry of a version."""
    return f"c{version}-{digest}"

"""How a worker reads the database: keys and revisions often, a tenant's data when its revision changed."""

from __future__ import annotations

import dataclasses

from msgspec.structs import replace
from psycopg import Error
from sqlalchemy.exc import DBAPIError

from recsys.contracts.config import MAX_K
from recsys.service.signals.data import TenantData
from recsys.service.store import tenants
from recsys.service.store.database import engine, unreachable
from recsys.service.store.tenant_data import load_tenant
from recsys.service.tenants import Listing


class Reader:
    """Keeps its connections. Each reading is one transaction, so it sees one moment of the database.

    ``max_k`` bounds the lists of every tenant, whatever its configuration allows.
    """

    def __init__(self, url: str, *, max_k: int = MAX_K) -> None:
        self._url = url
        self._max_k = max_k
        self._engine = engine(url).execution_options(isolation_level="REPEATABLE READ")

    def listing(self) -> Listing:
        """Keys and revisions; StorageError where the database does not answer."""
        try:
            with self._engine.connect() as opened:
                return tenants.listing(opened)
        except (DBAPIError, Error) as error:
            raise unreachable(self._url, error) from None

    def load(self, tenant_id: str) -> TenantData:
        """One tenant; StorageError where the database does not answer."""
        try:
            with self._engine.connect() as opened:
                return _bounded(load_tenant(opened, tenant_id), self._max_k)
        except (DBAPIError, Error) as error:
            raise unreachable(self._url, error) from None

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()


def _bounded(data: TenantData, max_k: int) -> TenantData:
    """With no longer lists than ``max_k``. That changes what is served, so the version says it, and the release too."""
    if data.config.limits.max_k <= max_k:
        return data
    config = replace(data.config, limits=replace(data.config.limits, max_k=max_k))
    return dataclasses.replace(data, config=config, config_version=f"{data.config_version}.k{max_k}")

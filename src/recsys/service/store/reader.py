"""How a worker reads the database: keys and revisions often, a tenant's data when its revision changed."""

from __future__ import annotations

from psycopg import Error
from sqlalchemy.exc import DBAPIError

from recsys.service.signals.data import TenantData
from recsys.service.store import tenants
from recsys.service.store.database import engine, unreachable
from recsys.service.store.tenant_data import load_tenant
from recsys.service.tenants import Listing


class Reader:
    """Keeps its connections. Each reading is one transaction, so it sees one moment of the database."""

    def __init__(self, url: str) -> None:
        self._url = url
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
                return load_tenant(opened, tenant_id)
        except (DBAPIError, Error) as error:
            raise unreachable(self._url, error) from None

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()

"""What a worker holds in memory: who may call, and what each tenant is served from. Swapped whole, never changed."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from recsys import __version__
from recsys.errors import RecsysError
from recsys.ranking.engine import ALGO_VERSION
from recsys.service.logs import Versions
from recsys.service.signals import registry as signals
from recsys.service.signals.data import TenantData
from recsys.service.signals.snapshot import Snapshot

log = logging.getLogger("recsys.service")

NO_RULES = "none"
"""The rules version while there are no rules."""


@dataclass(frozen=True)
class Identity:
    """Who calls: a tenant, and what the credential may do."""

    tenant_id: str
    role: str


@dataclass(frozen=True, eq=False)
class Tenant:
    """A tenant's snapshot with the versions that its lists carry."""

    snapshot: Snapshot
    versions: Versions
    built_at: float = field(default_factory=time.monotonic)

    @staticmethod
    def of(snapshot: Snapshot) -> Tenant:
        """The tenant of a snapshot. ``release`` names configuration, signals and code together."""
        parts = (snapshot.config_version, snapshot.content_hash, NO_RULES, ALGO_VERSION, __version__)
        release = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
        return Tenant(
            snapshot,
            Versions(algo=ALGO_VERSION, config=snapshot.config_version, rules=NO_RULES, release=f"r-{release}"),
        )


@dataclass(frozen=True, eq=False)
class World:
    """Everything at one moment. ``keys``: SHA-256 (hex) of an API key → its identity."""

    keys: dict[str, Identity]
    tenants: dict[str, Tenant]
    expected: frozenset[str]
    """The tenants that exist; one that is not loaded yet makes the worker not ready."""


EMPTY = World({}, {}, frozenset())


@dataclass(frozen=True)
class Listing:
    """What the database says exists: keys (SHA-256 → identity), and the revision of every tenant."""

    keys: dict[str, Identity]
    revisions: dict[str, int]


class Registry:
    """The current world, and how to come to a newer one. Readers take ``world`` once and keep to it."""

    def __init__(self, *, half_life_days: float = 30.0, covis_window_days: float = 30.0) -> None:
        self._snapshots = signals.Registry(half_life_days=half_life_days, covis_window_days=covis_window_days)
        self.world = EMPTY
        self.failures: tuple[str, ...] = ()
        """Why the last refresh was not whole; empty when it was. What was there before stays in use."""
        self._unread = False
        self._not_built: frozenset[str] = frozenset()

    def refresh(self, read: Callable[[], Listing], load: Callable[[str], TenantData]) -> None:
        """Look for newer keys and revisions with ``read`` and load what changed; runs beside the readers.

        Never raises: a failure keeps the old world and is remembered.
        """
        try:
            listing = read()
            done = self._snapshots.refresh(listing.revisions, load)
        except RecsysError as error:
            self.failures, self._unread = (str(error),), True
            return
        except Exception as error:
            self.failures, self._unread = (f"{type(error).__name__} while reading tenants and keys",), True
            log.warning("refresh failed", exc_info=error)
            return
        for tenant_id, error in done.failed.items():
            log.error("the snapshot of tenant %s could not be built", tenant_id, exc_info=error)
        self.failures = tuple(
            f"the snapshot of a tenant could not be built: {type(e).__name__}" for e in done.failed.values()
        )
        self._unread, self._not_built = False, frozenset(done.failed)
        self.world = World(listing.keys, self._tenants(), frozenset(listing.revisions))

    def may_be_stale(self, tenant_id: str) -> bool:
        """Whether the database may hold something newer for a tenant, which could not be read or built."""
        return self._unread or tenant_id in self._not_built

    def _tenants(self) -> dict[str, Tenant]:
        before, now = self.world.tenants, {}
        for tenant_id in self._snapshots.tenants():
            snapshot = self._snapshots.get(tenant_id)
            if snapshot is not None:
                known = before.get(tenant_id)
                now[tenant_id] = known if known is not None and known.snapshot is snapshot else Tenant.of(snapshot)
        return now

    def reasons_not_ready(self) -> list[str]:
        """Why requests cannot be served, in words; empty when they can."""
        if self.world is EMPTY:
            return ["tenants and keys are not loaded from the database", *self.failures]
        missing = len(self.world.expected - self.world.tenants.keys())
        return [f"the snapshot of {missing} tenants is not loaded"] if missing else []

"""What a worker holds in memory: who may call, and what each tenant is served from. Swapped whole, never changed."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from recsys import __version__
from recsys.ranking.engine import ALGO_VERSION
from recsys.service.logs import Versions
from recsys.service.signals.snapshot import Snapshot

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


class Registry:
    """The current world, and how to look for a newer one.

    ``load`` takes the current world and returns the next one, or the same one where nothing changed; it runs in a
    thread of its own. When it fails the current world stays, and ``stale_since`` says since when.
    """

    def __init__(self, load: Callable[[World], World]) -> None:
        self._load = load
        self.world = EMPTY
        self.failure: str | None = None
        self.stale_since: float | None = None

    def refresh(self) -> None:
        """Look for a newer world; never raises: a bad refresh keeps the old one and is remembered."""
        try:
            self.world = self._load(self.world)
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"
            self.stale_since = self.stale_since or time.monotonic()
        else:
            self.failure = self.stale_since = None

    def reasons_not_ready(self) -> list[str]:
        """Why requests cannot be served, in words; empty when they can."""
        missing = sorted(self.world.expected - self.world.tenants.keys())
        reasons = [f"the snapshot of {len(missing)} tenants is not loaded"] if missing else []
        if self.world is EMPTY:
            reasons.append("tenants and keys are not loaded from the database")
        return reasons

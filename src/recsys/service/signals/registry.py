"""Snapshots by tenant, as one worker holds them: looked up without a lock, replaced whole, never half."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from recsys.service.signals.data import TenantData
from recsys.service.signals.snapshot import Snapshot, build


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did, by tenant. ``failed``: why; their old snapshots, where there are any, stay in use."""

    loaded: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    failed: Mapping[str, Exception] = field(default_factory=dict)


class Registry:
    """Which snapshot serves which tenant. ``refresh`` may run in another thread than the readers, one at a time."""

    def __init__(self, *, half_life_days: float = 30.0, covis_window_days: float = 30.0) -> None:
        self._half_life_days = half_life_days
        self._covis_window_days = covis_window_days
        self._snapshots: Mapping[str, Snapshot] = {}
        self._missing: frozenset[str] | None = None

    def get(self, tenant_id: str) -> Snapshot | None:
        """The tenant's snapshot; None where the tenant is not known or was never loaded."""
        return self._snapshots.get(tenant_id)

    def tenants(self) -> Iterable[str]:
        """The tenants that can be served, sorted."""
        return sorted(self._snapshots)

    @property
    def ready(self) -> bool:
        """Whether there was a refresh, after which every existing tenant has a snapshot."""
        return self._missing is not None and not self._missing

    def refresh(self, revisions: Mapping[str, int], load: Callable[[str], TenantData]) -> Refreshed:
        """Bring the snapshots to ``revisions`` (of all existing tenants); tenants that are not among them go.

        ``load`` reads one tenant. A tenant that cannot be loaded or built keeps its old snapshot and is told in
        ``failed``; the others go on. All new snapshots are swapped in at once.
        """
        snapshots = {tenant: self._snapshots[tenant] for tenant in revisions if tenant in self._snapshots}
        dropped = tuple(sorted(self._snapshots.keys() - revisions.keys()))
        loaded: list[str] = []
        failed: dict[str, Exception] = {}
        for tenant, revision in sorted(revisions.items()):
            if tenant in snapshots and snapshots[tenant].revision == revision:
                continue
            try:
                snapshots[tenant] = self._build(load(tenant))
                loaded.append(tenant)
            except Exception as error:  # whatever one tenant's data does, the others are served
                failed[tenant] = error
        self._snapshots = snapshots
        self._missing = frozenset(revisions.keys() - snapshots.keys())
        return Refreshed(tuple(loaded), dropped, failed)

    def _build(self, data: TenantData) -> Snapshot:
        return build(data, half_life_days=self._half_life_days, covis_window_days=self._covis_window_days)

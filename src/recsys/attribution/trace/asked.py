"""What a person wants to know of a request."""

from __future__ import annotations

from msgspec import Struct

from recsys.attribution.policy import Policy
from recsys.attribution.sources import DEFAULT_SLICE_KEYS
from recsys.contracts.snapshot import Snapshot

DEFAULT_AROUND_S = 1800.0


class Asked(Struct, frozen=True, kw_only=True):
    """What is to be traced. ``around_s``: how many seconds before and after the request its subject is followed; 0 for
    not at all. ``snapshot``: the file with its name, where one was given."""

    request_id: str
    policy: Policy
    slice_keys: tuple[str, ...] = DEFAULT_SLICE_KEYS
    around_s: float = DEFAULT_AROUND_S
    snapshot: tuple[str, Snapshot] | None = None

    @property
    def around_us(self) -> int:
        """The same in microseconds."""
        return round(self.around_s * 1_000_000)

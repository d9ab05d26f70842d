"""By which keys of the context logs can be sliced."""

from __future__ import annotations

from collections.abc import Sequence

from recsys.errors import ConfigError

MAX_SLICE_KEYS = 8
DEFAULT_SLICE_KEYS = ("tenant_id", "surface")
ALWAYS_BY = ("day", "event_type")
"""What every description is broken down by, of the rows themselves: a slice key of that name would be mixed with it."""


def check_slice_keys(keys: Sequence[str]) -> None:
    """ConfigError for keys that are blank, repeated or more than 8, and for ``ALWAYS_BY``."""
    if len(keys) > MAX_SLICE_KEYS:
        raise ConfigError(
            "too many slice keys", where="slice_keys", found=str(len(keys)), expected=f"{MAX_SLICE_KEYS} at most"
        )
    for key in keys:
        if not key.strip() or keys.count(key) > 1:
            raise ConfigError("not a usable slice key", where="slice_keys", found=repr(key), expected="distinct words")
        if key in ALWAYS_BY:
            hint = f"Rates by {' and by '.join(ALWAYS_BY)} are given without being asked for."
            raise ConfigError("not a usable slice key", where="slice_keys", found=repr(key), hint=hint)

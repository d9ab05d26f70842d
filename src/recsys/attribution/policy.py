"""The choices of an attribution: how late an outcome may come, how far clocks may differ, what match rate is enough."""

from __future__ import annotations

import re
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from msgspec import Struct, field

from recsys.errors import ConfigError

DEFAULT_TOLERANCE_S = 5.0
DEFAULT_MIN_MATCH_RATE = 0.95
DEFAULT_MAX_LOST_RATE = 0.01
EVENT_TYPES = ("click", "conversion")
MAX_DURATION_S = 100 * 365 * 86_400.0

_UNITS = MappingProxyType({"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0})
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(us|ms|s|m|h|d|w)")


class Policy(Struct, frozen=True, kw_only=True):
    """``tolerance_s``: how much earlier than its exposure an outcome may be, in seconds. ``windows_s``: how much later,
    in seconds by event type; None is without limit. ``min_match_rate``: under it the figures are not relied on, nor
    where more than ``max_lost_rate`` of the lists shown, or of the outcomes, are known to be in no log."""

    tolerance_s: float = DEFAULT_TOLERANCE_S
    windows_s: dict[str, float | None] = field(default_factory=lambda: dict.fromkeys(EVENT_TYPES))
    min_match_rate: float = DEFAULT_MIN_MATCH_RATE
    max_lost_rate: float = DEFAULT_MAX_LOST_RATE

    def table(self) -> tuple[dict[str, str], list[tuple[int | None, ...]]]:
        """The table ``policy`` of the relations: its columns with their types, and its one row."""
        times = {
            "tolerance_us": self.tolerance_s,
            **{f"{kind}_window_us": self.windows_s.get(kind) for kind in EVENT_TYPES},
        }
        micros = tuple(None if seconds is None else round(seconds * 1_000_000) for seconds in times.values())
        return dict.fromkeys(times, "BIGINT"), [micros]

    def effective(self) -> dict[str, Any]:
        """The policy in the form of the YAML, with every default written out."""
        return {
            "tolerance": spelt(self.tolerance_s),
            "windows": {kind: None if seconds is None else spelt(seconds) for kind, seconds in self.windows_s.items()},
            "min_match_rate": self.min_match_rate,
            "max_lost_rate": self.max_lost_rate,
        }


def duration(value: object, *, where: str) -> float:
    """Seconds of a duration such as ``500ms``, ``5s``, ``1h``, ``7d``; a bare number is seconds. ConfigError else."""
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is not None:
        seconds = float(match[1]) * _UNITS[match[2]]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value
    else:
        expected = "a duration such as 500ms, 5s, 30m, 1h or 7d"
        raise ConfigError("not a duration", where=where, found=repr(value)[:40], expected=expected)
    if not 0 <= seconds <= MAX_DURATION_S:
        raise ConfigError("the duration is out of range", where=where, found=str(value)[:40], expected="0 to 100 years")
    return float(seconds)


def spelt(seconds: float) -> str:
    """The text that ``duration`` reads as exactly these seconds: never in the form ``1e+06s``, which it refuses."""
    return f"{Decimal(repr(float(seconds))):f}".removesuffix(".0") + "s"

"""The choices of an attribution, as data: which outcomes count, for which exposure, and when figures are relied on."""

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
DEFAULT_FALLBACK_S = 86_400.0
EVENT_TYPES = ("click", "conversion")
MAX_DURATION_S = 100 * 365 * 86_400.0

_UNITS = MappingProxyType({"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0})
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(us|ms|s|m|h|d|w)")


class Fallback(Struct, frozen=True, kw_only=True):
    """Orphans are credited to exposures of the same user that showed the item: the ``last``, the ``first`` or ``all``.

    ``window_s``: how many seconds before the outcome such a list may have been shown; None is the window of the event
    type, and where it has none a day.
    """

    credit: str = "last"
    window_s: float | None = None


class Policy(Struct, frozen=True, kw_only=True):
    """``tolerance_s``: how much earlier than its exposure an outcome may be, in seconds. ``windows_s``: how much later,
    in seconds by event type. None is without limit in both. ``not_in_list`` and ``user_mismatch``: whether outcomes on
    an item that the list did not hold, or of another user, ``count``, or are ``refuse``d. ``touch``: of several
    outcomes of one request, item and type ``every`` one counts, or the ``first``. ``fallback``: None without one.

    ``min_match_rate``: under it the figures are not relied on, nor where more than ``max_lost_rate`` of the lists
    shown, or of the outcomes, are known to be in no log.
    """

    tolerance_s: float | None = DEFAULT_TOLERANCE_S
    windows_s: dict[str, float | None] = field(default_factory=lambda: dict.fromkeys(EVENT_TYPES))
    not_in_list: str = "refuse"
    user_mismatch: str = "count"
    touch: str = "every"
    fallback: Fallback | None = None
    min_match_rate: float = DEFAULT_MIN_MATCH_RATE
    max_lost_rate: float = DEFAULT_MAX_LOST_RATE

    def table(self) -> tuple[dict[str, str], list[tuple[Any, ...]]]:
        """The table ``policy`` of the relations: its columns with their types, and its one row."""
        times = {
            "tolerance_us": self.tolerance_s,
            **{f"{kind}_window_us": self.windows_s.get(kind) for kind in EVENT_TYPES},
            **{f"{kind}_fallback_us": self._fallback_s(kind) for kind in EVENT_TYPES},
        }
        words = {
            "not_in_list": self.not_in_list,
            "user_mismatch": self.user_mismatch,
            "touch": self.touch,
            "fallback": "none" if self.fallback is None else "user_item",
            "credit": None if self.fallback is None else self.fallback.credit,
        }
        micros = [None if seconds is None else round(seconds * 1_000_000) for seconds in times.values()]
        types = {**dict.fromkeys(times, "BIGINT"), **dict.fromkeys(words, "VARCHAR")}
        return types, [(*micros, *words.values())]

    @property
    def preset(self) -> str:
        """``request_id_only`` where the policy is the plain join of that name, else ``standard``."""
        plain = REQUEST_ID_ONLY.table()
        return "request_id_only" if self.table() == plain else "standard"

    def effective(self) -> dict[str, Any]:
        """The policy in the form of the YAML, with every default written out."""
        given = self.fallback
        window = None if given is None or given.window_s is None else spelt(given.window_s)
        return {
            "policy": self.preset,
            "tolerance": "none" if self.tolerance_s is None else spelt(self.tolerance_s),
            "windows": {kind: None if seconds is None else spelt(seconds) for kind, seconds in self.windows_s.items()},
            "not_in_list": self.not_in_list,
            "user_mismatch": self.user_mismatch,
            "touch": self.touch,
            **({"fallback": "none"} if given is None else
               {"fallback": "user_item", "credit": given.credit, "fallback_window": window}),
            "min_match_rate": self.min_match_rate,
            "max_lost_rate": self.max_lost_rate,
        }  # fmt: skip

    def _fallback_s(self, kind: str) -> float | None:
        if self.fallback is None:
            return None
        given = self.fallback.window_s if self.fallback.window_s is not None else self.windows_s.get(kind)
        return DEFAULT_FALLBACK_S if given is None else given


REQUEST_ID_ONLY = Policy(tolerance_s=None, not_in_list="count")
"""The plain join: whatever names the request of an exposure counts, at any time, of any user, on any item."""


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

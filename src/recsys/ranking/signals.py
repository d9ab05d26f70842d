"""A tenant's catalogue and events as signals at any clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from recsys.ranking.candidates import Catalogue
from recsys.ranking.interactions import Floats, Interactions, Shared, Window, popularity, recent_items
from recsys.ranking.kept import Kept

US_PER_DAY = 86_400_000_000
RECENT_ITEMS = 10
"""How many distinct items of a subject's history count as context of a request."""
KEPT_CLOCKS = 8
KEPT_BYTES = 48 << 20
ANSWER_BYTES = 512
"""What a kept answer takes beside its values."""


def _size(shared: Shared) -> int:
    return shared.bytes + ANSWER_BYTES


@dataclass(frozen=True, eq=False)
class _Known:
    """What was asked before; bounded however many clocks clients send."""

    popularity: Kept[int, Floats | None] = field(default_factory=lambda: Kept(KEPT_CLOCKS))
    windows: Kept[tuple[int, int], Window] = field(default_factory=lambda: Kept(KEPT_CLOCKS))
    shared: Kept[tuple[int, int, int], Shared] = field(default_factory=lambda: Kept(KEPT_BYTES, _size))


@dataclass(frozen=True, eq=False)
class Signals:
    """Everything that ranking reads. Never changes; the same question gets the same answer on any worker.

    ``user_position``: position of a subject's pseudonym among the users of ``events``. One thread at a time.
    """

    catalogue: Catalogue
    events: Interactions
    user_position: dict[str, int]
    half_life_days: float = 30.0
    covis_window_days: float = 30.0
    _known: _Known = field(default_factory=_Known, repr=False)

    def prepare(self) -> None:
        """Compute now what the first request would otherwise wait for."""
        _ = self.catalogue.position, self.catalogue.tagged
        _ = self.events.previous, self.events.by_user, self.events.by_item
        self.popularity(None)
        window = self._window(None)
        if window is not None:
            _ = window.items_of, window.users_of, window.inverse_root_audience

    def popularity(self, now_us: int | None) -> Floats | None:
        """float64[items]: see ``interactions.popularity``; None where no event is up to ``now_us``.

        ``now_us`` None stands for the newest event.
        """
        high = len(self.events.ts) if now_us is None else self.events.up_to(now_us)
        half_life_us = self.half_life_days * US_PER_DAY
        return self._known.popularity.get(high, lambda: popularity(self.events, high, half_life_us))

    def co_visitation(self, anchors: Sequence[int], subject: str | None, now_us: int | None) -> Floats | None:
        """float64[items]: how much the same users touched an item as the context; None where there is no context.

        The context is ``anchors`` (distinct positions) and the subject's last items of the window. The value is the
        mean similarity to the anchors plus the mean similarity to the other context items, so a long history does
        not drown the item at hand.
        """
        window = self._window(now_us)
        if window is None:
            return None
        history = [item for item in self._recent(subject, window) if item not in anchors]
        groups = [sorted(group) for group in (anchors, history) if group]
        if not groups:
            return None
        return window.similarity(
            (self._shared(window, item), float(window.inverse_root_audience[item]) / len(group))
            for group in groups
            for item in group
        )

    def _shared(self, window: Window, item: int) -> Shared:
        return self._known.shared.get((window.low, window.high, item), lambda: window.shared(item))

    def _window(self, now_us: int | None) -> Window | None:
        """The events up to now since the start of the UTC day that lies the window's days back; None without events.

        Whole days, so that a clock that moves with every request asks for the same window all day.
        """
        if now_us is None:
            return self._newest_window
        high = self.events.up_to(now_us)
        low = self.events.before((now_us - round(self.covis_window_days * US_PER_DAY)) // US_PER_DAY * US_PER_DAY)
        return self._known.windows.get((low, high), lambda: Window(self.events, low, high))

    @cached_property
    def _newest_window(self) -> Window | None:
        newest = self.events.newest()
        return None if newest is None else self._window(newest)

    def _recent(self, subject: str | None, window: Window) -> list[int]:
        user = None if subject is None else self.user_position.get(subject)
        return [] if user is None else recent_items(self.events, user, window.low, window.high, RECENT_ITEMS)

"""Answers kept for the next time they are asked for, in bounded room."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Kept(Generic[Key, Value]):
    """The answers that were asked for last, as many as fit into ``room``; the others are computed again.

    It changes how fast an answer is, never the answer. The newest one is kept whatever its size.
    """

    def __init__(self, room: int, size: Callable[[Value], int] = lambda _: 1) -> None:
        self.room = room
        self.used = 0
        self._size = size
        self._values: dict[Key, Value] = {}  # in order of their last use

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The answer under ``key``, made now where it is not kept."""
        try:
            value = self._values.pop(key)
        except KeyError:
            value = make()
            self.used += self._size(value)
        self._values[key] = value
        while self.used > self.room and len(self._values) > 1:
            self.used -= self._size(self._values.pop(next(iter(self._values))))
        return value

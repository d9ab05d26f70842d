"""One subject under several pseudonyms, after the salt has changed: which of them stands for all."""

from __future__ import annotations

from collections.abc import Iterable

from recsys.eventlog.writing.index import Alias


def resolved(aliases: Iterable[Alias]) -> dict[str, str]:
    """Each pseudonym that another one stands for, with that one: the last of a chain A → B → C.

    Where a salt came back (A → B → A), or two chains meet, it is the smallest of those at an end, or of all: which one
    makes no difference to a figure, only that it is one.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while (above := parent.setdefault(name, name)) != name:
            parent[name] = parent[above]
            name = parent[name]
        return name

    replaced: set[str] = set()
    for alias in aliases:
        if alias.previous != alias.current:
            replaced.add(alias.previous)
            parent[root(alias.previous)] = root(alias.current)
    chosen: dict[str, tuple[bool, str]] = {}
    for name in list(parent):
        group, rank = root(name), (name in replaced, name)
        chosen[group] = min(chosen.get(group, rank), rank)
    found = {name: chosen[root(name)][1] for name in parent}
    return {name: now for name, now in found.items() if name != now}

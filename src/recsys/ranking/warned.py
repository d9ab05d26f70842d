"""What a caller is told about a list: what in the request had less effect than its author may think."""

from __future__ import annotations

from typing import NamedTuple

from recsys.ranking.constraints import Removed


class Warned(NamedTuple):
    """A stable code, and one sentence that names the part of the request and the count, never an id."""

    code: str
    detail: str


def signal_warnings(*, pop: str | None, cooc: str | None, anchors: int, unknown_anchors: int) -> list[Warned]:
    """Warnings of signals that have a weight. ``pop``, ``cooc``: why the signal says nothing; None where it speaks."""
    warnings = [
        Warned("SIGNAL_UNAVAILABLE", f"{name}: {cause}")
        for name, cause in (("popularity", pop), ("co_visitation", cooc))
        if cause is not None
    ]
    if unknown_anchors and cooc is None:
        detail = f"co_visitation: {unknown_anchors} of {anchors} anchors are not in the catalogue"
        warnings.append(Warned("SIGNAL_PARTIAL", detail))
    return warnings


def filter_warnings(*, removed: Removed, included: int | None, left: int) -> list[Warned]:
    """Warnings of filters. ``included``: distinct ids of the allow-list, None without one; ``left``: the candidates."""
    warnings: list[Warned] = []
    if removed.total():
        parts = (
            ("required_tags", removed.required_tags),
            ("forbidden_tags", removed.forbidden_tags),
            ("max_per_tag", removed.max_per_tag),
        )
        named = ", ".join(f"{name} {count}" for name, count in parts if count)
        warnings.append(Warned("CONSTRAINTS_FILTERED", f"candidates left out: {named}"))
    if included is not None and left == 0:
        detail = f"none of the {included} included items can be recommended"
        warnings.append(Warned("CANDIDATES_INCLUDE_EMPTY", detail))
    elif included is not None and left < included:
        detail = f"{included - left} of the {included} included items are unknown, excluded or filtered"
        warnings.append(Warned("CANDIDATES_INCLUDE_FILTERED", detail))
    return warnings

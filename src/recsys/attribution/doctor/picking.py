"""The rows of a place and of a stretch of time, as SQL conditions."""

from __future__ import annotations

from recsys.attribution.doctor.breakdown import Stretch, Where
from recsys.attribution.doctor.case import Case, text


def conditions(case: Case, place: Where | None, step: Stretch | None) -> list[str]:
    """Over the columns ``slice_n`` and ``ts_us``; none where the rows are everywhere and at all times."""
    return [*_at(case, place), *_within(step)]


def _at(case: Case, place: Where | None) -> list[str]:
    if place is None:
        return []
    column = {"event_type": "event_type", **dict(case.slices)}[place.key]
    named = ", ".join(text(value) for value in place.values if value is not None)
    parts = [f"{column} IN ({named})"] if named else []
    parts += [f"{column} IS NULL"] if None in place.values else []
    return [f"({' OR '.join(parts)})"]


def _within(step: Stretch | None) -> list[str]:
    if step is None:
        return []
    since = [] if step.since_us is None else [f"ts_us >= {step.since_us}"]
    return since + ([] if step.until_us is None else [f"ts_us < {step.until_us}"])

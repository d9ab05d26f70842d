"""The charts of an experiment: effects and levels with their intervals, and effects by day."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from recsys.contracts.decision import Decision, Effect, Guardrail, Measured
from recsys.contracts.experiment import AACell, DayEffect, SliceEffect
from recsys.evaluation.quality_text import slice_value
from recsys.evaluation.render import charts
from recsys.evaluation.render.charts import INK, SECOND, WIDTH

MAX_POINTED_DAYS = 40
"""Days above which a day is a dot without room for more."""


class Row(Struct, frozen=True):
    """What stands on one line of a chart."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None


def effects(measured: Measured) -> str | None:
    """The effect that decides, and those beside it, with 0 and the threshold, on the scale on which it is decided."""
    relative = measured.effect.bounded and (measured.relative_threshold or not measured.threshold)
    beside = (("decides", measured.effect), ("unadjusted", measured.unadjusted), ("uncapped", measured.uncapped))
    rows = [_row(name, effect, relative=relative) for name, effect in beside if effect is not None]
    sign = 1 if measured.better == "higher" else -1
    drawn = relative or not measured.relative_threshold  # else the threshold is on another scale than the interval
    marks = [sign * measured.threshold] if measured.threshold and drawn else []
    return _intervals(rows, _title(relative=relative), relative=relative, marks=marks)


def levels(measured: Measured, decision: Decision) -> str | None:
    """Both arms."""
    arms = ((decision.control, measured.control), (decision.candidate, measured.candidate))
    rows = [Row(slice_value(arm), each.value, each.low, each.high) for arm, each in arms]
    return _intervals(rows, "level", zero=False)


def guardrail(rail: Guardrail) -> str | None:
    """The harm against its margin, or the level against its limit."""
    allowed = rail.margin if rail.limit is None else rail.limit
    relative = rail.relative and rail.limit is None
    what = "harm (+ is worse)" if rail.limit is None else "level of the candidate"
    rows = [Row("", rail.value, rail.low, rail.high)]
    marks = [] if allowed is None else [allowed]
    return _intervals(rows, what, relative=relative, marks=marks, zero=rail.limit is None)


def described(measured: Iterable[Measured]) -> str | None:
    """Relative effects that do not decide, in one picture."""
    rows = [_row(each.metric, each.effect, relative=True) for each in measured if each.effect.bounded]
    return _intervals(rows, _title(relative=True), relative=True)


def slices(drawn: Sequence[SliceEffect]) -> str | None:
    """Effects by slice; relative where every one of them is."""
    relative = all(each.effect.bounded for each in drawn)
    rows = [_row(slice_value(each.value), each.effect, relative=relative) for each in drawn]
    return _intervals(rows, _title(relative=relative), relative=relative)


def rejected(cells: Sequence[AACell], expected: float) -> str | None:
    """The share of false alarms of each metric, and what it should be."""
    rows = [Row(each.metric, each.rejected) for each in cells]
    return _intervals(rows, "share of splits with p < 0.05", marks=[expected], zero=False)


def days(of_metric: Sequence[DayEffect]) -> str | None:
    """The effect of each day, with its interval; None where no day has one."""
    relative = all(each.effect.bounded for each in of_metric)
    rows = [_row(each.day, each.effect, relative=relative) for each in of_metric]
    values = [_values(row, relative=relative) for row in rows if row.value is not None]
    if not values:
        return None
    x = {"field": "label", "type": "temporal", "scale": {"type": "utc"}, "title": None,
         "axis": {"labelAngle": 0, "tickCount": 3, "format": "%b %d"}}  # fmt: skip
    y = {
        "type": "quantitative",
        "title": _title(relative=relative),
        "axis": {"tickCount": 4, **_format(relative=relative)},
    }
    wide = 6 if len(values) <= MAX_POINTED_DAYS else 2
    return charts.svg(
        {
            "width": WIDTH + 60,
            "height": 130,
            "data": {"values": values},
            "layer": [
                {"mark": {"type": "rule", "stroke": INK, "strokeWidth": 1}, "encoding": {"y": {"datum": 0, **y}}},
                {"mark": {"type": "rule", "strokeWidth": wide, "opacity": 0.4},
                 "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}},
                {"mark": {"type": "point", "size": 16, "filled": True, "opacity": 1},
                 "encoding": {"x": x, "y": {**y, "field": "value"}}},
            ],
        }
    )  # fmt: skip


def _title(*, relative: bool) -> str:
    return "relative change" if relative else "change"


def _row(label: str, effect: Effect, *, relative: bool) -> Row:
    if relative:
        return Row(label, effect.relative, effect.relative_low, effect.relative_high)
    return Row(label, effect.value, effect.low, effect.high)


def _intervals(
    rows: Sequence[Row], title: str, *, relative: bool = False, marks: Sequence[float] = (), zero: bool = True
) -> str | None:
    """Each row with its interval; lines at 0 and, dashed, at ``marks``. None where no row has a value."""
    values = _distinct([_values(row, relative=relative) for row in rows if row.value is not None])
    if not values:
        return None
    y = {"field": "label", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 120}}
    axis = {"tickCount": 3, "labelOverlap": True, "labelSeparation": 14, **_format(relative=relative)}
    x = {"type": "quantitative", "title": title, "scale": {"zero": False}, "axis": axis}
    lines = [({"stroke": INK, "strokeWidth": 1}, 0.0)] if zero else []
    lines += [
        ({"stroke": SECOND, "strokeWidth": 2, "strokeDash": [5, 3]}, mark * (100 if relative else 1)) for mark in marks
    ]
    return charts.svg(
        {
            "width": WIDTH + 40,
            "height": {"step": 26},
            "data": {"values": values},
            "layer": [
                *({"mark": {"type": "rule", **look}, "encoding": {"x": {**x, "datum": at}}} for look, at in lines),
                {"mark": {"type": "rule", "strokeWidth": 8, "opacity": 0.4},
                 "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}}},
                {"mark": {"type": "point", "size": 40, "filled": True, "opacity": 1},
                 "encoding": {"y": y, "x": {**x, "field": "value"}}},
            ],
        }
    )  # fmt: skip


def _values(row: Row, *, relative: bool) -> dict[str, Any]:
    """In percent where relative; an end that is not there is the point itself."""
    times = 100 if relative else 1
    value, low, high = (
        None if each is None or not math.isfinite(each) else each * times for each in (row.value, row.low, row.high)
    )
    return {"label": row.label, "value": value, "low": value if low is None else low, "high": value if high is None
            else high}  # fmt: skip


def _distinct(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Long names may be cut to the same text: then they are numbered, for equal ones share a line."""
    seen: dict[str, int] = {}
    for row in values:
        seen[row["label"]] = count = seen.get(row["label"], 0) + 1
        if count > 1:
            row["label"] = f"{row['label']} ({count})"
    return values


def _format(*, relative: bool) -> dict[str, str]:
    """Of an axis: signs and percent for relative effects."""
    return {"labelExpr": "(datum.value > 0 ? '+' : '') + format(datum.value, '~r') + ' %'"} if relative else {}

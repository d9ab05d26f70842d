"""The charts of a report as inline SVG: drawn here, once, so that the page needs no script and asks nobody.

Charts are narrow, so that their text stays legible on a telephone; a wide page sets them side by side. Ink and lines
take the page's colours, light or dark.
"""

from __future__ import annotations

import re
from typing import Any

from recsys.contracts.report import Report
from recsys.evaluation.render import words

VEGA_LITE = "6.4"
WIDTH = 165
ENLARGED = 1.1
INK, LINE, MAIN, SECOND = "#010101", "#020202", "#030303", "#040404"
_COLOURS = {INK: "var(--ink)", LINE: "var(--line)", MAIN: "var(--main)", SECOND: "var(--second)"}
_CONFIG = {
    "background": None,
    "padding": {"left": 26, "right": 26, "top": 4, "bottom": 4},  # a browser's letters may be wider than those measured
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK, "titleColor": INK, "domainColor": LINE, "tickColor": LINE, "gridColor": LINE,
        "labelFontSize": 13, "titleFontSize": 13, "titleFontWeight": "normal", "gridOpacity": 0.5, "labelLimit": 170,
    },
    "text": {"fill": INK, "fontSize": 13},
    "bar": {"fill": MAIN},
    "rule": {"stroke": MAIN},
    "point": {"fill": MAIN, "stroke": MAIN},
    "line": {"stroke": SECOND, "strokeWidth": 2},
}  # fmt: skip


def metrics(report: Report) -> str | None:
    """Each score with its interval; None where there is none."""
    rows = [
        {"metric": r.metric, "value": r.estimate.value, "low": r.estimate.low, "high": r.estimate.high}
        for r in words.headline_results(report)
        if r.estimate.units is not None and r.estimate.value is not None
    ]
    if not rows:
        return None
    y = {"field": "metric", "type": "nominal", "sort": None, "title": None}
    x = {"type": "quantitative", "title": f"value, with its {words.level(report)} interval", "axis": {"tickCount": 4}}
    return svg(
        {
            "width": WIDTH,
            "height": {"step": 20},
            "data": {"values": rows},
            "layer": [
                {"mark": {"type": "rule", "strokeWidth": 7, "opacity": 0.4},
                 "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}}},
                {"mark": {"type": "point", "size": 14, "filled": True, "opacity": 1},
                 "encoding": {"y": y, "x": {**x, "field": "value"}}},
            ],
        }
    )  # fmt: skip


def funnel(report: Report) -> str | None:
    """What became of the outcomes, step by step; None where there are none."""
    steps = words.funnel(report.data_quality.fates)
    if not steps[0][1]:
        return None
    rows = [{"step": step, "left": left, "label": f"{left:,}"} for step, left, _ in steps]
    y = {"field": "step", "type": "nominal", "sort": None, "title": None}
    widest = {"domain": [0, steps[0][1] * 1.3], "nice": False}
    x = {"field": "left", "type": "quantitative", "title": "outcome rows", "scale": widest,
         "axis": {"tickCount": 3, "format": "~s"}}  # fmt: skip
    return svg(
        {
            "width": WIDTH,
            "height": {"step": 26},
            "data": {"values": rows},
            "encoding": {"y": y, "x": x},
            "layer": [
                {"mark": {"type": "bar"}},
                {"mark": {"type": "text", "align": "left", "dx": 4}, "encoding": {"text": {"field": "label"}}},
            ],
        }
    )


def clicks_by_rank(report: Report) -> str | None:
    """The share of clicks at each rank; None where nothing was clicked."""
    rows = [{"rank": point.rank, "share": point.share} for point in report.clicks_by_rank if point.share is not None]
    if not rows:
        return None
    labels = [row["rank"] for row in rows if row["rank"] == 1 or row["rank"] % 5 == 0]
    return svg(
        {
            "width": WIDTH + 60,
            "height": 170,
            "data": {"values": rows},
            "mark": "bar",
            "encoding": {
                "x": {"field": "rank", "type": "ordinal", "title": "rank", "axis": {"values": labels, "labelAngle": 0}},
                "y": {"field": "share", "type": "quantitative", "title": "share of clicks",
                      "axis": {"format": "%", "tickCount": 4}},
            },
        }
    )  # fmt: skip


def position_bias(report: Report) -> str | None:
    """How often each rank is looked at in relation to rank 1; None where it is not identified."""
    if report.position_bias is None or not report.position_bias.points:
        return None
    rows = [
        {"rank": point.rank, "value": point.examination, "low": point.low, "high": point.high}
        for point in report.position_bias.points
    ]
    labels = [row["rank"] for row in rows if len(rows) < 10 or row["rank"] == 1 or row["rank"] % 5 == 0]
    x = {"field": "rank", "type": "ordinal", "title": "rank", "axis": {"values": labels, "labelAngle": 0}}
    y = {"type": "quantitative", "title": "looked at, rank 1 is 1", "axis": {"tickCount": 4}, "scale": {"zero": True}}
    return svg(
        {
            "width": WIDTH + 60,
            "height": 170,
            "data": {"values": rows},
            "layer": [
                {"mark": {"type": "rule", "strokeWidth": 7, "opacity": 0.4},
                 "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}},
                {"mark": {"type": "point", "size": 14, "filled": True, "opacity": 1},
                 "encoding": {"x": x, "y": {**y, "field": "value"}}},
            ],
        }
    )  # fmt: skip


def hours(report: Report) -> str | None:
    """Exposures, and below them the match rate, over time; None where there are no hours."""
    if not report.hours:
        return None
    rows = [
        {"hour": point.hour.strftime("%Y-%m-%dT%H:%M:%SZ"), "exposures": point.exposures, "match": point.match_rate}
        for point in report.hours
    ]
    several_days = report.hours[0].hour.date() != report.hours[-1].hour.date()
    x = {"field": "hour", "type": "temporal", "scale": {"type": "utc"}, "title": None,
         "axis": {"labelAngle": 0, "tickCount": 3, "format": "%b %d" if several_days else "%H:%M"}}  # fmt: skip
    shown = {
        "field": "exposures",
        "type": "quantitative",
        "title": "exposures",
        "axis": {"tickCount": 3, "format": "~s"},
    }
    matched = {"field": "match", "type": "quantitative", "title": "match rate", "scale": {"domain": [0, 1]},
               "axis": {"format": "%", "tickCount": 2}}  # fmt: skip
    bar = {"type": "bar", "width": max(1, min(12, WIDTH // len(rows)))}
    line = {"type": "line", "point": {"size": 20, "fill": SECOND, "stroke": SECOND}}
    return svg(
        {
            "data": {"values": rows},
            "vconcat": [
                {"width": WIDTH + 60, "height": 90, "mark": bar, "encoding": {"x": x, "y": shown}},
                {"width": WIDTH + 60, "height": 60, "mark": line, "encoding": {"x": x, "y": matched}},
            ],
        }
    )


def start_engine() -> None:
    """Start the drawing engine and let it load its fonts, which takes half a second once a process."""
    svg({"data": {"values": [{"x": 1}]}, "mark": "bar", "encoding": {"x": {"field": "x", "type": "quantitative"}}})


def svg(spec: dict[str, Any]) -> str:
    """The drawing of a specification."""
    import vl_convert

    drawn = vl_convert.vegalite_to_svg({"config": _CONFIG, **spec}, vl_version=VEGA_LITE)
    for sentinel, colour in _COLOURS.items():
        drawn = drawn.replace(sentinel, colour)
    # The page says how wide a chart is; the drawing keeps its proportions
    return re.sub(r'(<svg [^>]*?)width="(\d+)" height="(\d+)"', r'\1width="\2" height="\3" role="img"', drawn, count=1)


def labelled(drawn: str, label: str) -> str:
    """The drawing at ``ENLARGED`` times its size, where there is room, with a name that a screen reader reads."""
    from markupsafe import escape

    name = escape(label)
    start, rest = drawn.split(">", 1)
    size = re.search(r'width="(\d+)"', start)
    width = f' style="width:{round(int(size[1]) * ENLARGED)}px;max-width:100%"' if size else ""
    return f'{start}{width} aria-label="{name}"><title>{name}</title>{rest}'

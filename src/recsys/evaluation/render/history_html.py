"""A history as one page: the trend of each figure with its intervals, and the runs."""

from __future__ import annotations

from recsys.contracts.history import RunHistory
from recsys.evaluation.render import charts, words
from recsys.evaluation.render.history_markdown import names

MOST_CHARTS = 24


def render(past: RunHistory) -> str:
    """The page; of very many figures the first are drawn, and the page says so."""
    from markupsafe import Markup

    from recsys.evaluation.render.html import page

    drawn = {}
    for name in names(past)[:MOST_CHARTS]:
        svg = trend(past, name)
        drawn[name] = Markup(svg) if svg else None  # noqa: S704 - drawn by us: text in it was escaped when it was drawn
    left = max(len(names(past)) - MOST_CHARTS, 0)
    return page("history.html.j2", past=past, charts=drawn, left=left, words=words)


def trend(past: RunHistory, name: str) -> str | None:
    """One figure over the runs, with its interval where it has one; None where no run has a value."""
    rows = [
        {"run": number, "value": figure.value, "low": figure.low, "high": figure.high}
        for number, run in enumerate(past.runs, 1)
        if (figure := run.figures.get(name)) is not None and figure.value is not None
    ]
    if not rows:
        return None
    every = max(1, len(past.runs) // 8)
    labels = [number for number in range(1, len(past.runs) + 1) if (number - 1) % every == 0]
    x = {"field": "run", "type": "ordinal", "title": "run", "axis": {"values": labels, "labelAngle": 0}}
    y = {"type": "quantitative", "title": None, "scale": {"zero": False}, "axis": {"tickCount": 4}}
    return charts.svg(
        {
            "width": charts.WIDTH + 60,
            "height": 130,
            "data": {"values": rows},
            "layer": [
                {"mark": {"type": "rule", "strokeWidth": 5, "opacity": 0.4},
                 "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}},
                {"mark": {"type": "line"}, "encoding": {"x": x, "y": {**y, "field": "value"}}},
                {"mark": {"type": "point", "size": 20, "filled": True, "opacity": 1},
                 "encoding": {"x": x, "y": {**y, "field": "value"}}},
            ],
        }
    )  # fmt: skip

"""The report as one HTML page: no script, no request, light and dark, legible on a telephone and on paper."""

from __future__ import annotations

from recsys.contracts.report import Report
from recsys.evaluation.render import charts, words


def render(report: Report) -> str:
    """The page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("recsys.evaluation.render", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    drawn = {
        name: Markup(svg) if svg else None  # noqa: S704 - drawn by us: text in it was escaped when it was drawn
        for name, svg in (
            ("metrics", charts.metrics(report)), ("funnel", charts.funnel(report)),
            ("clicks_by_rank", charts.clicks_by_rank(report)), ("hours", charts.hours(report)),
        )
    }  # fmt: skip
    return environment.get_template("report.html.j2").render(
        report=report, words=words, charts=drawn, slices=list(words.slices(report)), quality=report.data_quality
    )

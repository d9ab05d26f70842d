"""Pages for people: no script, no request, light and dark, legible on a telephone and on paper."""

from __future__ import annotations

from typing import Any

from recsys.contracts.diagnosis import Diagnosis
from recsys.contracts.report import Report
from recsys.contracts.report_comparison import ReportComparison


def render(report: Report) -> str:
    """The report as one page."""
    if report.mode != "offline":
        from recsys.evaluation.render import aa_check_html, experiment_html

        return (experiment_html if report.mode == "experiment" else aa_check_html).render(report)
    from markupsafe import Markup

    from recsys.evaluation.render import charts, compared_words, position_words, words

    drawn = {
        name: Markup(svg) if svg else None  # noqa: S704 - drawn by us: text in it was escaped when it was drawn
        for name, svg in (
            ("metrics", charts.metrics(report)), ("funnel", charts.funnel(report)),
            ("clicks_by_rank", charts.clicks_by_rank(report)), ("hours", charts.hours(report)),
            ("position_bias", charts.position_bias(report)),
        )
    }  # fmt: skip
    return page(
        "report.html.j2", report=report, words=words, compared=compared_words, charts=drawn,
        slices=list(words.slices(report)), quality=report.data_quality, position=position_words,
    )  # fmt: skip


def render_comparison(comparison: ReportComparison) -> str:
    """The comparison of two reports as one page."""
    from recsys.evaluation.render import compared_words

    return page("compared.html.j2", comparison=comparison, compared=compared_words)


def render_diagnosis(diagnosis: Diagnosis) -> str:
    """The diagnosis as one page."""
    from recsys.evaluation.render import diagnosis_words

    return page("diagnosis.html.j2", diagnosis=diagnosis, words=diagnosis_words)


def page(name: str, **values: Any) -> str:
    """A template, filled."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("recsys.evaluation.render", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template(name).render(**values)

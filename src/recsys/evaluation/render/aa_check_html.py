"""A check of our own tests as one page."""

from __future__ import annotations

from recsys.contracts.report import Report
from recsys.evaluation.render import aa_check_words as words
from recsys.evaluation.render import experiment_charts
from recsys.evaluation.render import words as shared
from recsys.evaluation.render.experiment_html import configuration, labelled
from recsys.evaluation.render.experiment_words import sentence
from recsys.evaluation.render.html import page


def render(report: Report) -> str:
    """The whole page."""
    check = report.aa_check
    drawn = None if check is None else experiment_charts.rejected(check.cells, words.EXPECTED)
    return page(
        "aa_check.html.j2", report=report, check=check, told=words, words=shared, sentence=sentence,
        quality=report.data_quality, drawn=labelled(drawn, "Share of false alarms by metric"),
        configuration=configuration(report),
    )  # fmt: skip

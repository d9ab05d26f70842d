"""Reports as JSON for machines, Markdown for a pull request, and one self-contained HTML page for people."""

from __future__ import annotations

from pathlib import Path

from recsys.contracts.diagnosis import Diagnosis
from recsys.contracts.history import RunHistory
from recsys.contracts.report import Report
from recsys.contracts.report_comparison import ReportComparison
from recsys.errors import UsageError, nearest
from recsys.eventlog.whole import whole
from recsys.text import printable as printable

FORMATS = {".json": "json", ".md": "markdown", ".html": "html", ".htm": "html"}
NAMES = ("json", "markdown", "html")


def format_of(path: Path, wanted: str | None = None) -> str:
    """The format of a report: ``wanted`` where it is given, else what the suffix says. UsageError for neither."""
    if wanted is not None:
        if wanted not in NAMES:
            raise UsageError("no such report format", found=wanted, hint=nearest(wanted, NAMES))
        return wanted
    if path.suffix not in FORMATS:
        expected = ", ".join(FORMATS)
        hint = "Give --output-format json, markdown or html; without --output the report is printed."
        raise UsageError(
            "the suffix names no report format", where=str(path), found=path.suffix, expected=expected, hint=hint
        )
    return FORMATS[path.suffix]


def text(report: Report, form: str) -> str:
    """The report in a format: ``json``, ``markdown`` or ``html``."""
    from importlib import import_module

    return import_module(f"recsys.evaluation.render.{form}").render(report)


def told(diagnosis: Diagnosis, form: str) -> str:
    """The diagnosis in a format: ``json``, ``markdown`` or ``html``."""
    from recsys.evaluation.render import diagnosis_markdown, html, json

    return {"json": json.render, "markdown": diagnosis_markdown.render, "html": html.render_diagnosis}[form](diagnosis)


def compared(comparison: ReportComparison, form: str) -> str:
    """The comparison of two reports in a format: ``json``, ``markdown`` or ``html``."""
    from recsys.evaluation.render import compared_markdown, html, json

    return {"json": json.render, "markdown": compared_markdown.render, "html": html.render_comparison}[form](comparison)


def history(past: RunHistory, form: str) -> str:
    """A history in a format: ``json``, ``markdown`` or ``html``."""
    from recsys.evaluation.render import history_html, history_markdown, json

    return {"json": json.render, "markdown": history_markdown.render, "html": history_html.render}[form](past)


def write(content: str, path: Path) -> None:
    """Write a report; the file appears whole or not at all."""
    with whole(path) as part:
        part.write_text(content, encoding="utf-8")

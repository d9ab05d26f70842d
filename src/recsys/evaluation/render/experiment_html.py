"""An experiment as one page: the charts are drawn here, the rest is said in the template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recsys.contracts.experiment import Candidate
from recsys.contracts.report import Report
from recsys.evaluation.render import charts, experiment_charts, experiment_logs, experiment_tables
from recsys.evaluation.render import experiment_terms as terms
from recsys.evaluation.render import experiment_words as words
from recsys.evaluation.render import words as shared
from recsys.evaluation.render.html import page

SECTIONS = (
    ("verdict", "Verdict"), ("integrity", "Integrity"), ("primary", "Primary metrics"), ("guardrails", "Guardrails"),
    ("sample-ratio", "Sample ratio"), ("secondary", "Secondary metrics"), ("slices", "Slices"), ("time", "Over time"),
    ("maturity", "Maturity"), ("power", "Power"), ("families", "Corrections"), ("notes", "Notes"),
    ("origin", "Where it came from"),
)  # fmt: skip
WITHOUT = {"verdict", "integrity", "time", "notes", "origin"}
"""Sections of a report that holds no experiment, for the logs are empty."""


def render(report: Report) -> str:
    """The whole page."""
    found = report.experiment
    candidates = [] if found is None else found.candidates
    trial = None if found is None else found.trial
    return page(
        "experiment.html.j2", report=report, words=_Words(), terms=terms, tables=experiment_tables,
        logs=experiment_logs, quality=report.data_quality, found=found, trial=trial, candidates=candidates,
        decisions=[each.decision for each in candidates], drawn=_drawn(report, candidates),
        sections=[each for each in SECTIONS if found is not None or each[0] in WITHOUT],
        notes=words.notes(report), configuration=configuration(report),
    )  # fmt: skip


class _Words:
    """The words of experiments, and those that all reports share."""

    def __getattr__(self, name: str) -> Any:
        return getattr(words, name) if hasattr(words, name) else getattr(shared, name)


def configuration(report: Report) -> str:
    """In the form of the YAML."""
    import yaml

    return yaml.safe_dump(report.effective_config, sort_keys=False, allow_unicode=False, width=100)


def _drawn(report: Report, candidates: list[Candidate]) -> Mapping[str, Any]:
    """All charts, by what they show and the candidate."""
    drawn: dict[str, Any] = {
        "funnel": labelled(charts.funnel(report), "What became of the outcomes, step by step"),
        "hours": labelled(charts.hours(report), "Exposures and match rate over time"),
        **{kind: {} for kind in ("effects", "levels", "guardrails", "secondary", "slices", "days")},
    }
    for candidate in candidates:
        _of_candidate(drawn, candidate)
    return drawn


def _of_candidate(drawn: dict[str, Any], candidate: Candidate) -> None:
    decision, name = candidate.decision, candidate.decision.candidate
    shown = words.shown(name)
    for place, each in enumerate(decision.metrics):
        change = f"Change of {each.metric} with its interval, {shown}"
        drawn["effects"][place, name] = labelled(experiment_charts.effects(each), change)
        levels = labelled(experiment_charts.levels(each, decision), f"Level of {each.metric} in both arms, {shown}")
        drawn["levels"][place, name] = levels
    for place, rail in enumerate(decision.guardrails):
        label = f"Guardrail {rail.metric} with what is allowed, {shown}"
        drawn["guardrails"][place, name] = labelled(experiment_charts.guardrail(rail), label)
    secondary = experiment_charts.described(candidate.secondary)
    drawn["secondary"][name] = labelled(secondary, f"Changes of secondary metrics, {shown}")
    for key, metric, largest, _ in experiment_tables.slices(candidate):
        label = f"Change of {metric} by {words.shown(key)}, {shown}"
        drawn["slices"][key, metric, name] = labelled(experiment_charts.slices(largest), label)
    for metric, days in experiment_tables.by_metric(candidate.days).items():
        drawn["days"][metric, name] = labelled(experiment_charts.days(days), f"Change of {metric} by day, {shown}")


def labelled(svg: str | None, label: str) -> Any:
    """A drawing that a page takes as it is; None where there is none."""
    from markupsafe import Markup

    # Drawn by us: text in it was escaped when it was drawn
    return None if svg is None else Markup(charts.labelled(svg, label))  # noqa: S704

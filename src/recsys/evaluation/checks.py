"""A run as a list of checks, for those who show it: pipelines, tables, feeds. Each has a name, a status and words.

``pass``: it was judged, and is well. ``fail``: it was judged, and is not. ``error``: it could not be judged, such as a
gate whose interval lies on both sides of its bound, or an experiment on hold. ``skip``: it was not judged, because a
check above it is in error, or because no decision was asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from recsys.contracts.experiment import AACheck, ExperimentReport
from recsys.contracts.report import Report
from recsys.evaluation import gates
from recsys.evaluation.decision import not_asked

Status = Literal["pass", "fail", "error", "skip"]


class Check(Struct, frozen=True):
    """One question and its answer. ``group``: what kind of question it is."""

    group: str
    name: str
    status: Status
    told: str = ""


def checks(report: Report) -> list[Check]:
    """The checks of a report, in the order in which they are to be read. There is always one."""
    if report.mode == "experiment":
        return list(_decisions(report, report.experiment))
    if report.mode == "aa-check":
        return list(_cells(report, report.aa_check))
    return [*_logs(report), *_gates(report)]


def _logs(report: Report) -> Iterator[Check]:
    reasons = gates.integrity_reasons(report)
    for reason in reasons:
        yield Check("logs", "the figures can be relied on", "error", reason)
    if not reasons:
        yield Check("logs", "the figures can be relied on", "pass", report.summary.headline)


def _gates(report: Report) -> Iterator[Check]:
    if report.gates and gates.integrity_reasons(report):
        for gate in report.gates:
            yield Check("gates", gates.name(gate), "skip", f"the figures cannot be relied on; it would be: {gate.told}")
        return
    statuses: dict[str, Status] = {"pass": "pass", "fail": "fail", "inconclusive": "error"}
    for gate in report.gates:
        yield Check("gates", gates.name(gate), statuses[gate.status], gate.told)


def _decisions(report: Report, experiment: ExperimentReport | None) -> Iterator[Check]:
    statuses: dict[str, Status] = {"ship": "pass", "rollback": "fail", "hold": "error"}
    if experiment is None or not experiment.candidates:
        yield Check("decision", "the experiment can be decided", "error", "; ".join(report.summary.reasons))
        return
    for each in experiment.candidates:
        decision = each.decision
        name = f"{decision.experiment_id}: {decision.candidate} against {decision.control}"
        harm = "harm is suspected; " if decision.harm_suspected else ""
        told = f"{decision.decision}: {harm}{'; '.join(decision.reasons)}"
        if not_asked(decision):
            yield Check("decision", name, "skip", "; ".join(decision.reasons))
        else:
            yield Check("decision", name, statuses[decision.decision], told)


def _cells(report: Report, found: AACheck | None) -> Iterator[Check]:
    statuses: dict[str, Status] = {"pass": "pass", "fail": "fail", "unusable": "error"}
    cells = [] if found is None else found.cells
    for cell in cells:
        yield Check("A/A check", cell.metric, statuses[cell.status], cell.note)
    if not cells or report.summary.status == "hold":
        yield Check("A/A check", "the log can be checked", "error", "; ".join(report.summary.reasons))

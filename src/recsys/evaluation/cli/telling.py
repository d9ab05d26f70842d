"""What ``run`` tells a terminal: the report or its summary on stdout, what is odd on stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from recsys.evaluation.cli import options

if TYPE_CHECKING:
    from recsys.contracts.report import Report
    from recsys.eventlog.faults import Fault


def tell(report: Report, faults: Sequence[Fault], *, written: bool, form: str) -> None:
    """The report in ``form`` where it was ``written`` to no file, else its summary; faults, notes and reasons aside."""
    from recsys.evaluation import render

    options.tell_faults(faults, sum(part.invalid for part in report.inputs))
    for warning in report.warnings:
        sys.stderr.write(f"recsys-eval: note: {warning}\n")
    if report.mode == "offline":
        for reason in report.summary.reasons:
            sys.stderr.write(f"recsys-eval: {report.summary.status}: {reason}\n")
    sys.stdout.write(_summary(report) if written else render.text(report, form))


def _summary(report: Report) -> str:
    """Of an experiment and of an A/A check with the reasons, for these are their result."""
    if report.mode == "offline":
        return f"{report.summary.status}: {report.summary.headline}\n"
    if report.mode == "experiment":
        from recsys.evaluation.render.experiment_words import summary
    else:
        from recsys.evaluation.render.aa_check_words import summary
    return summary(report)

"""Decisions read back and computed again from their evidence."""

from __future__ import annotations

from pathlib import Path

import msgspec

from recsys.contracts.decision import Decision
from recsys.contracts.report import Report
from recsys.errors import InputError
from recsys.evaluation.decision import decide, exit_verdict

MAX_BYTES = 1 << 30


class _Named(msgspec.Struct):
    schema_version: str = ""


def read(path: Path) -> list[Decision]:
    """The decisions of a ``decision.v1``, or of a report of an experiment; InputError for anything else."""
    expected = "a decision.v1, or a report.v1 of an experiment"
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError("too large for a decision", where=str(path), expected=expected)
        content = path.read_bytes()
        name = msgspec.json.decode(content, type=_Named).schema_version
        if name == "decision.v1":
            return [msgspec.json.decode(content, type=Decision)]
        if name == "report.v1":
            return _of_report(msgspec.json.decode(content, type=Report), path)
    except OSError as error:
        raise InputError("cannot be read", where=str(path), found=error.strerror or str(error)) from None
    except RecursionError:
        raise InputError("nested too deeply for a decision", where=str(path), expected=expected) from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError("not a decision", where=str(path), found=str(error), expected=expected) from None
    raise InputError("not a decision", where=str(path), found=name or "another document", expected=expected)


def _of_report(report: Report, path: Path) -> list[Decision]:
    if report.experiment is None or not report.experiment.candidates:
        expected = "a report of `run --mode experiment`"
        raise InputError(
            "the report holds no decision", where=str(path), found=f"mode {report.mode}", expected=expected
        )
    decisions = [candidate.decision for candidate in report.experiment.candidates]
    found, decides = exit_verdict(decisions), all(decision.rule.decides for decision in decisions)
    if decides and report.summary.status != found:
        told = f"the summary says {report.summary.status}, and its decisions {found}"
        raise InputError("the report contradicts itself", where=str(path), found=told)
    return decisions


def replayed(recorded: Decision) -> tuple[Decision, str]:
    """The decision that follows from the evidence, and in what it differs from the one that is recorded; '' where it
    does not."""
    found = decide(recorded)
    if found.decision != recorded.decision:
        return found, f"the evidence says {found.decision}, and the document {recorded.decision}"
    if found != recorded:
        return found, f"the decision is {found.decision} in both, but not for the same reasons"
    return found, ""

"""The report as JSON: every field, keys in the order of the contract, so that two reports can be compared as text."""

from __future__ import annotations

import re

import msgspec

from recsys.contracts.diagnosis import Diagnosis
from recsys.contracts.history import RunHistory
from recsys.contracts.report import Report
from recsys.contracts.report_comparison import ReportComparison

_NUMBERS = re.compile(r"\[\n\s*-?[0-9][-+.eE0-9,\s]*\n\s*\]")  # a text within JSON has no line's end


def render(report: Report | Diagnosis | ReportComparison | RunHistory) -> str:
    """Indented JSON that decodes to the same report; a list of numbers takes one line."""
    indented = msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"
    return _NUMBERS.sub(lambda found: re.sub(r"\s+", " ", found[0]).replace("[ ", "[").replace(" ]", "]"), indented)

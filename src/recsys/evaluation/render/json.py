"""The report as JSON: every field, keys in the order of the contract, so that two reports can be compared as text."""

from __future__ import annotations

import msgspec

from recsys.contracts.diagnosis import Diagnosis
from recsys.contracts.report import Report


def render(report: Report | Diagnosis) -> str:
    """Indented JSON that decodes to the same report."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"

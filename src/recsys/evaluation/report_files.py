"""Reports read back from files."""

from __future__ import annotations

from pathlib import Path

import msgspec

from recsys.contracts.report import Report
from recsys.errors import InputError, UsageError
from recsys.evaluation import report_settings

MOST_BYTES = 1 << 28


def read(path: Path) -> Report:
    """The report in the file; InputError where it is none of ``report.v1``."""
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError("cannot be read", where=str(path), found=error.strerror or str(error)) from None
    if len(raw) > MOST_BYTES:
        raise InputError("too large for a report", where=str(path), found=f"over {MOST_BYTES:,} bytes")
    try:
        return msgspec.json.decode(raw, type=Report)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        hint = "Give the JSON that `recsys-eval run --output report.json` writes."
        raise InputError("not a report", where=str(path), found=str(error), expected="report.v1", hint=hint) from None


def read_offline(path: Path) -> Report:
    """The offline report in the file; UsageError where it is of another mode, InputError where it was changed."""
    report = read(path)
    if report.mode != "offline":
        raise UsageError("only offline reports are compared", where=str(path), found=f"mode {report.mode}")
    report_settings.check(report, str(path))
    return report

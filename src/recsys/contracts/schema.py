"""JSON Schemas of the records and of the report, generated from the Structs that define them.

``python -m recsys.contracts.schema schemas`` writes them; ``--check`` compares the committed files with them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from recsys.contracts.comparison import Comparison
from recsys.contracts.decision import Decision
from recsys.contracts.diagnosis import Diagnosis
from recsys.contracts.events import RECORDS
from recsys.contracts.history import RunHistory
from recsys.contracts.moments import Moments
from recsys.contracts.report import Report
from recsys.contracts.report_comparison import ReportComparison
from recsys.contracts.snapshot import Snapshot
from recsys.contracts.trace import Trace

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TYPES: dict[str, type[msgspec.Struct]] = {
    **RECORDS,
    "report.v1": Report,
    "moments.v1": Moments,
    "snapshot.v1": Snapshot,
    "diagnosis.v1": Diagnosis,
    "comparison.v1": Comparison,
    "decision.v1": Decision,
    "report_comparison.v1": ReportComparison,
    "history.v1": RunHistory,
    "trace.v1": Trace,
}


def build(name: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of the record ``name``; KeyError where there is none."""
    return {"$schema": DIALECT, "$id": f"urn:recsys:{name}", **msgspec.json.schema(TYPES[name])}


def render(name: str) -> str:
    """The schema as text, made anew from the Struct."""
    return msgspec.json.format(msgspec.json.encode(build(name)), indent=2).decode() + "\n"


def main(*arguments: str) -> int:
    """Write every schema into the folder named; with ``--check`` compare instead, and say which differ."""
    folder = Path(next((word for word in arguments if word != "--check"), "schemas"))
    if "--check" not in arguments:
        for name in TYPES:
            (folder / f"{name}.json").write_text(render(name), encoding="utf-8")
        return 0
    stale = [name for name in TYPES if (folder / f"{name}.json").read_text(encoding="utf-8") != render(name)]
    if stale:
        sys.stderr.write(f"{folder}: {', '.join(stale)} differ from their Structs. Run `make docs`.\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

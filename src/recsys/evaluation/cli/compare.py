"""``recsys-eval compare``: two reports, metric by metric."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from recsys.evaluation.cli import options, outputs


def compare(
    baseline: Annotated[Path, typer.Argument(help="report.json of the run that it is compared with.")],
    candidate: Annotated[Path, typer.Argument(help="report.json of the run that is looked at.")],
    output: Annotated[
        list[Path] | None, typer.Option(help="File to write: .json, .md or .html; may be repeated.")
    ] = None,
    output_format: Annotated[
        str | None, typer.Option(help="json, markdown or html, in place of what the suffix says.")
    ] = None,
) -> int:
    """Compare two offline reports, candidate − baseline, with intervals, from the sums that they carry.

    No log is read. Of the same requests the comparison is paired; else it is told that it is not a causal one. Exits 0,
    2 where no figure of the two can be compared, 1 where a file is no offline report.

    **Examples**

        recsys-eval compare monday.json tuesday.json
        recsys-eval compare before.json after.json --output comparison.html --output comparison.json
    """
    from recsys.evaluation import render, report_files, reports_compared

    wanted = output or []
    printed = render.format_of(Path("comparison.md"), output_format)
    forms = [(path, render.format_of(path, output_format)) for path in wanted]
    outputs.check(outputs.named("--output", wanted), [baseline, candidate])
    found = reports_compared.compare(report_files.read_offline(baseline), report_files.read_offline(candidate))
    for path, form in forms:
        render.write(render.compared(found, form), path)
    compared = sum(change.change.value is not None for change in found.changes)
    if not wanted:
        sys.stdout.write(render.compared(found, printed))
    else:
        sys.stdout.write(f"{found.label}; {compared} of {len(found.changes)} figures are compared\n")
    if not compared:
        sys.stderr.write("recsys-eval: hold: no figure of the two reports can be compared\n")
    return 0 if compared else options.HOLD

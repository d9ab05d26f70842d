"""``recsys-eval history``: runs over time."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from recsys.evaluation.cli import options, outputs


def history(
    folder: Annotated[Path, typer.Argument(help="Folder that `run --history` keeps reports in.")],
    metric: Annotated[str | None, typer.Option(help="One figure only, such as ndcg@10.")] = None,
    mode: Annotated[str | None, typer.Option(help="Runs of one mode only: offline, experiment or aa-check.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The latest so many runs.")] = None,
    output: Annotated[
        list[Path] | None, typer.Option(help="File to write: .html, .md or .json; may be repeated.")
    ] = None,
    output_format: Annotated[
        str | None, typer.Option(help="json, markdown or html, in place of what the suffix says.")
    ] = None,
) -> int:
    """List the runs of a folder, with their verdicts, and draw their figures over time.

    Files that are no reports are told and left out. Exits 0, and 2 where the folder holds no run.

    **Examples**

        recsys-eval history runs
        recsys-eval history runs --metric ndcg@10 --limit 30 --output trend.html
    """
    from recsys.evaluation import config as configs
    from recsys.evaluation import history as kept
    from recsys.evaluation import render

    wanted = output or []
    printed = render.format_of(Path("history.md"), output_format)
    forms = [(path, render.format_of(path, output_format)) for path in wanted]
    outputs.check(outputs.named("--output", wanted), history=folder)
    if mode is not None:
        configs.mode(mode, "--mode")
    past = kept.read(folder, mode=mode, metric=metric, limit=limit)
    for path, form in forms:
        render.write(render.history(past, form), path)
    for told in past.unreadable:
        sys.stderr.write(f"recsys-eval: no report: {render.printable(told)}\n")
    if not wanted:
        sys.stdout.write(render.history(past, printed))
    else:
        sys.stdout.write(f"{len(past.runs):,} runs\n")
    if past.runs:
        return 0
    sys.stderr.write(f"recsys-eval: hold: {folder} holds no run{'' if mode is None else f' of mode {mode}'}\n")
    return options.HOLD

"""``recsys-demo``: the whole loop in one command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from recsys import console

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where logs and reports are left.")] = Path("demo-out"),
    requests: Annotated[int, typer.Option(min=1, max=1_000_000, help="Recommend requests to send.")] = 5_000,
    seed: Annotated[int, typer.Option(min=0, help="Two demos with one seed show the same lists.")] = 1,
    workers: Annotated[int, typer.Option(min=1, max=16, help="Worker processes of the service.")] = 2,
    break_logging: Annotated[
        bool, typer.Option("--break-logging", help="Add an arm whose outcomes partly lose their request ids.")
    ] = False,
) -> None:
    """Serve a shop, let simulated shoppers use it over HTTP, turn the logs into a report, and decide an experiment.

    Everything runs on this machine, on a free port, with an embedded PostgreSQL that goes away at the end.

    **Examples**

        recsys-demo
        recsys-demo --out /tmp/shop --requests 20000 --seed 7
        recsys-demo --break-logging
    """
    from recsys.demo import run, summary

    messages = Console(stderr=True)
    with _progress(messages) as progress:
        task = progress.add_task("shoppers", total=requests)
        made = run.run(
            out.resolve(),
            run.Size(requests=requests, workers=workers, broken=break_logging),
            seed,
            on_step=lambda text: progress.console.print(f"• {text}"),
            on_visit=lambda: progress.advance(task),
        )
    summary.show(made, Console())


def _progress(messages: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal)


def main() -> None:
    """The program: see ``recsys.console`` for its exit statuses."""
    sys.exit(console.run(app, "recsys-demo"))

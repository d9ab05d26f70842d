"""``recsys-eval``: from logs to a report. What a command needs is imported when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from recsys import console
from recsys.evaluation.cli import (
    compact,
    compare,
    decide,
    doctor,
    files,
    history,
    join,
    metrics,
    run,
    schema,
    sql,
    trace,
    validate,
)

app = typer.Typer(add_completion=True, no_args_is_help=True, rich_markup_mode="markdown")
app.command("validate")(validate.validate)
app.command("convert")(files.convert)
app.command("hash")(files.hash_ids)
app.command("join")(join.join)
app.command("doctor")(doctor.doctor)
app.command("trace")(trace.trace)
app.command("compact")(compact.compact)
app.command("run")(run.run)
app.command("compare")(compare.compare)
app.command("history")(history.history)
app.command("decide")(decide.decide)
app.command("sql")(sql.sql)
app.command("schema")(schema.schema)
app.command("metrics")(metrics.metrics)


@app.callback()
def _program(
    version: Annotated[bool, console.version_option("recsys-eval")] = False,
) -> None:
    """Check exposure and outcome logs, join them, and evaluate what was shown."""


def main() -> None:
    """The program: see ``recsys.console`` for its exit statuses."""
    console.run_and_exit(app, "recsys-eval")

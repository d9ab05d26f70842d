"""``recsys-service``: serve, and prepare what is served. What a command needs is imported when it runs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from recsys import console
from recsys.service.cli import imports, logs, serve, snapshot, tenants

app = typer.Typer(add_completion=True, no_args_is_help=True, rich_markup_mode="markdown")
app.command("serve")(serve.serve)
app.command("migrate")(tenants.migrate)
app.add_typer(tenants.tenant, name="tenant")
app.add_typer(tenants.key, name="key")
app.add_typer(tenants.config, name="config")
app.add_typer(imports.imports, name="import")
app.add_typer(logs.log, name="log")
app.command("snapshot")(snapshot.snapshot)


@app.callback()
def _program(
    version: Annotated[bool, console.version_option("recsys-service")] = False,
) -> None:
    """Serve recommendations over HTTP, and log every exposure before it is answered."""


def main() -> None:
    """The program: see ``recsys.console`` for its exit statuses."""
    sys.exit(console.run(app, "recsys-service"))

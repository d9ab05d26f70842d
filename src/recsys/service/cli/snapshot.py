"""``recsys-service snapshot``: what the lists of a tenant were ranked by, in a file that explains them later."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def snapshot(
    tenant: Annotated[str, typer.Option(help="The tenant's name.")],
    output: Annotated[Path | None, typer.Option(help="The file to write; without it the snapshot is printed.")] = None,
) -> None:
    """Export all versions of a tenant's configuration, for `recsys-eval trace --snapshot`. It holds no secrets.

    **Example**

        recsys-service snapshot --tenant demo --output snapshot.json
    """
    from datetime import UTC, datetime

    import msgspec

    from recsys.eventlog.whole import check_output, whole
    from recsys.service.cli import database as at
    from recsys.service.store import snapshots

    if output is not None:
        check_output(output)
    with at.transaction(at.settings()) as opened:
        made = snapshots.export(opened, tenant, datetime.now(UTC))
    text = msgspec.json.format(msgspec.json.encode(made), indent=2).decode() + "\n"
    sys.stderr.write(
        f"recsys-service: {len(made.config)} versions of the configuration of {tenant}, {made.config[-1].name} in "
        "force; this version has no rules\n"
    )
    if output is None:
        sys.stdout.write(text)
        return
    with whole(output) as part:
        part.write_text(text, encoding="utf-8")

"""``recsys-eval schema``: the JSON Schema of a record."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from recsys.contracts import schema as schemas
from recsys.errors import UsageError, nearest


def schema(
    name: Annotated[str | None, typer.Argument(help="exposure.v1, outcome.v1, …; without it all names.")] = None,
) -> int:
    """Print the JSON Schema of a record or of the report.

    Without a name all names are listed.

    **Examples**

        recsys-eval schema
        recsys-eval schema exposure.v1 > exposure.v1.json
    """
    if name is None:
        sys.stdout.write("".join(f"{known}\n" for known in schemas.TYPES))
        return 0
    if name not in schemas.TYPES:
        raise UsageError("no such schema", found=name, hint=nearest(name, list(schemas.TYPES)))
    sys.stdout.write(schemas.render(name))
    return 0

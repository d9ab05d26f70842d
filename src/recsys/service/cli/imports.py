"""``recsys-service import items`` and ``import events``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recsys import console
from recsys.service.cli import database as at

if TYPE_CHECKING:
    from recsys.service.importing.load import Imported

imports = typer.Typer(no_args_is_help=True, help="Import items and past events from CSV, TSV, JSONL or Parquet.")

File = Annotated[Path, typer.Argument(help="A .csv, .tsv, .inter, .item, .jsonl or .parquet file.")]
Tenant = Annotated[str, typer.Option(help="The tenant that the rows are of.")]
Map = Annotated[list[str] | None, typer.Option("--map", help="theirs=ours: a column under another name; repeatable.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="ours=value: a field of all rows; repeatable.")]
Aside = Annotated[Path | None, typer.Option(help="Where bad rows are written [FILE.bad.jsonl, in this folder].")]


@imports.command("items")
def import_items(file: File, tenant: Tenant, map: Map = None, set: Set = None, aside: Aside = None) -> int:
    """Import the catalogue: item_id, and tags, title, brand, category, price, created_at as far as they are known.

    A known item takes the file's values. Bad rows are listed and set aside; exits 1 when every row is bad.

    **Examples**

        recsys-service import items items.jsonl --tenant demo
        recsys-service import items ml-100k.item --tenant ml --map item_id:token=item_id --map class:token_seq=tags
    """
    from recsys.service.importing import load
    from recsys.service.importing.columns import Columns
    from recsys.service.importing.rows import ITEM_FIELDS, ITEM_NEEDED

    columns = Columns(ITEM_FIELDS, ITEM_NEEDED, map or [], set or [])
    target = aside or Path(f"{file.name}.bad.jsonl")
    with at.transaction(at.settings()) as opened, console.progress("items") as on_progress:
        done = load.import_items(opened, file, tenant, columns, target, on_progress)
    return _tell(done, "items", target)


@imports.command("events")
def import_events(file: File, tenant: Tenant, map: Map = None, set: Set = None, aside: Aside = None) -> int:
    """Import past events: user_id, item_id, event_type, ts, and value, surface as far as they are known.

    Users are pseudonymised with EXPOSURE_HASH_SALT on the way in. An event that is there already is not kept twice.
    Bad rows are listed and set aside; exits 1 when every row is bad.

    **Examples**

        recsys-service import events events.jsonl --tenant demo
        recsys-service import events ml-100k.inter --tenant ml --map user_id:token=user_id \\
            --map item_id:token=item_id --map timestamp:float=ts --map rating:float=value --set event_type=rating
    """
    from recsys.eventlog import salt
    from recsys.service.importing import load
    from recsys.service.importing.columns import Columns
    from recsys.service.importing.rows import EVENT_FIELDS, EVENT_NEEDED

    columns = Columns(EVENT_FIELDS, EVENT_NEEDED, map or [], set or [])
    target = aside or Path(f"{file.name}.bad.jsonl")
    settings = at.settings()
    secret = salt.load(settings.hash_salt, data_dir=settings.data_dir, production=settings.production)
    with at.transaction(settings) as opened, console.progress("events") as on_progress:
        done = load.import_events(opened, file, tenant, columns, target, secret, on_progress)
    return _tell(done, "events", target)


def _tell(done: Imported, what: str, aside: Path) -> int:
    for fault in done.faults:
        sys.stderr.write(f"{fault}\n")
    for note in done.notes:
        sys.stderr.write(f"recsys-service: {note}\n")
    if done.bad:
        more = f" ({done.bad - len(done.faults):,} more than are listed)" if done.bad > len(done.faults) else ""
        sys.stderr.write(f"recsys-service: {done.bad:,} bad rows{more} are in {aside}\n")
    repeated = f", {done.repeated:,} repeated" if done.repeated else ""
    sys.stdout.write(f"{done.rows:,} rows: {done.stored:,} {what} stored{repeated}, {done.bad:,} bad\n")
    return 1 if done.bad == done.rows else 0

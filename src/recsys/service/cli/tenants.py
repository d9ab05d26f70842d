"""``recsys-service migrate``, ``tenant``, ``key`` and ``config``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from recsys.errors import InputError
from recsys.service.cli import database as at

tenant = typer.Typer(no_args_is_help=True, help="Make and list tenants.")
key = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")
config = typer.Typer(no_args_is_help=True, help="Show and set a tenant's configuration.")

Name = Annotated[str, typer.Argument(help="The tenant's name.")]


def migrate() -> None:
    """Bring the schema of the database up to date.

    **Example**

        DATABASE_URL=postgresql://recsys@db/recsys recsys-service migrate
    """
    from recsys.service.store import database

    with database.database_url(at.settings()) as url:
        before, after = database.migrate(url)
    told = f"the schema is at {after} already" if before == after else f"schema {before or 'none'} → {after}"
    sys.stdout.write(f"{told}\n")


@tenant.command("create")
def create_tenant(name: Name) -> None:
    """Make a tenant; nothing happens where it exists.

    **Example**

        recsys-service tenant create demo
    """
    from recsys.service.store import tenants

    with at.transaction(at.settings()) as opened:
        made = tenants.create_tenant(opened, name)
    sys.stdout.write(f"tenant {name} {'created' if made else 'exists already'}\n")


@tenant.command("list")
def list_tenants() -> None:
    """List the tenants, with the revision of their data.

    **Example**

        recsys-service tenant list
    """
    from recsys.service.store import tenants

    with at.transaction(at.settings()) as opened:
        for name, revision in tenants.list_tenants(opened).items():
            sys.stdout.write(f"{name}\trevision {revision}\n")


@key.command("create")
def create_key(
    tenant: Annotated[str, typer.Option(help="The tenant that the key is for.")],
    role: Annotated[
        str, typer.Option(help="viewer, operator, admin; or browser, which may only write outcomes.")
    ] = "viewer",
) -> None:
    """Make an API key. The secret is printed once, as the last line, and not kept.

    **Example**

        recsys-service key create --tenant demo
    """
    from recsys.service.store import tenants

    with at.transaction(at.settings()) as opened:
        key_id, secret = tenants.create_key(opened, tenant, role)
    sys.stderr.write(f"recsys-service: key {key_id} of tenant {tenant}, role {role}; send it in X-API-Key\n")
    sys.stdout.write(f"{secret}\n")


@key.command("list")
def list_keys(tenant: Annotated[str | None, typer.Option(help="Only keys of this tenant.")] = None) -> None:
    """List keys by their ids; secrets are not kept and cannot be shown.

    **Example**

        recsys-service key list --tenant demo
    """
    from recsys.service.store import tenants

    with at.transaction(at.settings()) as opened:
        for found in tenants.list_keys(opened, tenant):
            state = "active" if found.revoked_at is None else f"revoked {found.revoked_at:%Y-%m-%dT%H:%M:%SZ}"
            sys.stdout.write(
                f"{found.key_id}\t{found.tenant_id}\t{found.role}\t{found.created_at:%Y-%m-%dT%H:%M:%SZ}\t{state}\n"
            )


@key.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Argument(help="The id that `key list` shows.")]) -> None:
    """Revoke a key; running workers stop taking it within seconds.

    **Example**

        recsys-service key revoke 1f0a9c3e
    """
    from recsys.service.store import tenants

    with at.transaction(at.settings()) as opened:
        tenants.revoke_key(opened, key_id)
    sys.stdout.write(f"key {key_id} revoked\n")


@config.command("show")
def show_config(name: Name) -> None:
    """Print the configuration in force, as JSON; its version goes to stderr.

    **Example**

        recsys-service config show demo > config.json
    """
    import msgspec

    from recsys.contracts import config as configs
    from recsys.service.store import tenants

    with at.transaction(at.settings()) as opened:
        tenants.require_tenant(opened, name)
        current = tenants.current_config(opened, name)
    sys.stderr.write(f"recsys-service: version {current.version} ({current.name})\n")
    sys.stdout.write(msgspec.json.format(configs.encode(current.config), indent=2).decode() + "\n")


@config.command("set")
def set_config(
    name: Name,
    file: Annotated[str, typer.Argument(help="A JSON file, or - for stdin.")],
    expect_version: Annotated[
        int | None, typer.Option(help="Refuse where the version in force is another one.")
    ] = None,
) -> None:
    """Make a file the next version of a tenant's configuration. Running workers take it up within seconds.

    **Example**

        recsys-service config set demo config.json
    """
    from recsys.contracts import config as configs
    from recsys.service.store import tenants

    new = configs.parse(_read(file), where=file)
    with at.transaction(at.settings()) as opened:
        tenants.require_tenant(opened, name)
        before = tenants.current_config(opened, name)
        made = tenants.set_config(opened, name, new, expected=expect_version)
    for experiment in configs.reassigned(before.config, new):
        sys.stderr.write(
            f"recsys-service: experiment {experiment}: variants, weights or traffic changed, so subjects change sides; "
            "its figures are no longer of one experiment. Give the changed one a new id.\n"
        )
    told = "unchanged" if made.version == before.version else "set"
    sys.stdout.write(f"configuration of {name} {told}: version {made.version} ({made.name})\n")


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise InputError("cannot be read", where=file, found=error.strerror or str(error)) from None

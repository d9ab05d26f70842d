"""Reaching the database, and whether its schema is the one that this version knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from recsys.errors import ConfigError, StorageError
from recsys.service.settings import Settings
from recsys.service.store import embedded

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection, Engine

CONNECT_TIMEOUT_S = 5
MIGRATION_LOCK = 0x7265637379  # any number that all our programs share
HINT_REACH = "Check DATABASE_URL, the network, and that PostgreSQL runs."


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """The URL of the database while the block runs: the one that is set, else the embedded one."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    with embedded.running(settings.data_dir) as url:
        yield url


def masked(url: str) -> str:
    """The URL without its password, wherever it stands."""
    without = re.sub(r"(://[^:/@?]*):.*@", r"\1:***@", url)
    return re.sub(r"((?:^|[?&])(?:ssl)?password=)[^&]*", r"\1***", without)


def engine(url: str) -> Engine:
    """An engine for ``url``, which libpq reads; nothing is connected yet."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo
    from sqlalchemy import create_engine

    try:
        given = "connect_timeout" in conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise ConfigError("the URL cannot be used", where="DATABASE_URL", found=_first_line(error)) from None
    target = url if given else make_conninfo(url, connect_timeout=CONNECT_TIMEOUT_S)

    def connect() -> psycopg.Connection:
        return psycopg.connect(target)

    return create_engine("postgresql+psycopg://", creator=connect, pool_pre_ping=True, pool_size=2)


@contextmanager
def connection(url: str) -> Iterator[Connection]:
    """A transaction on the database, committed at the end of the block. StorageError where it cannot be reached, or
    does not do what it is asked."""
    from psycopg import Error
    from sqlalchemy.exc import DBAPIError

    made = engine(url)
    try:
        with _connected(made, url) as opened, opened.begin():
            yield opened
    except (DBAPIError, Error) as error:
        raise refused(url, error) from None
    finally:
        made.dispose()


def _connected(made: Engine, url: str) -> Connection:
    from sqlalchemy.exc import DBAPIError

    try:
        return made.connect()
    except DBAPIError as error:
        raise unreachable(url, error) from None


def unreachable(url: str, error: Exception) -> StorageError:
    """The database does not answer."""
    return StorageError(
        "the database cannot be reached", where=masked(url), found=_first_line(error), hint=HINT_REACH
    )  # fmt: skip


def refused(url: str, error: Exception) -> StorageError:
    """The database answered, and did not do it: a full disk, a missing right, a broken connection."""
    return StorageError("the database did not do what it was asked", where=masked(url), found=_first_line(error))


def _first_line(error: Exception) -> str:
    told = str(getattr(error, "orig", error)).strip()
    return masked(told.splitlines()[0][:200]) if told else type(error).__name__


def migrate(url: str) -> tuple[str | None, str]:
    """Bring the schema to this version's; returns the revisions before and after."""
    from alembic import command

    with connection(url) as opened:
        # One at a time: commands that start together all migrate, and the later ones find it done
        opened.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
        before = _revision(opened)
        _refuse_newer(before)
        settings = _alembic()
        settings.attributes["connection"] = opened
        command.upgrade(settings, "head")
    return before, head()


def check_schema(url: str) -> None:
    """StorageError where the schema is older or newer than this version's, and what to do."""
    with connection(url) as opened:
        found = _revision(opened)
    _refuse_newer(found)
    if found != head():
        raise StorageError(
            "the schema of the database is older than this version",
            where=masked(url), found=found or "no schema", expected=head(), hint="Run `recsys-service migrate`.",
        )  # fmt: skip


def _refuse_newer(found: str | None) -> None:
    if found is not None and found not in revisions():
        raise StorageError(
            "the schema of the database is newer than this version, or not of this program",
            found=found, expected=head(), hint="Use the version that made it, or another database.",
        )  # fmt: skip


def _revision(opened: Connection) -> str | None:
    from alembic.migration import MigrationContext

    return MigrationContext.configure(opened).get_current_revision()


@cache
def revisions() -> frozenset[str]:
    """All revisions that this version knows."""
    from alembic.script import ScriptDirectory

    return frozenset(script.revision for script in ScriptDirectory.from_config(_alembic()).walk_revisions())


@cache
def head() -> str:
    """The revision of this version."""
    from alembic.script import ScriptDirectory

    found = ScriptDirectory.from_config(_alembic()).get_current_head()
    if found is None:
        raise StorageError("the migrations are missing from the installation")
    return found


def _alembic() -> Config:
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", str(Path(str(files("recsys.service").joinpath("migrations")))))
    made.set_main_option("path_separator", "os")
    return made

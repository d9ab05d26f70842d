"""The database for the length of a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from recsys.service import settings as settings_module
from recsys.service.settings import Settings
from recsys.service.store import embedded

if TYPE_CHECKING:
    from sqlalchemy import Connection


def settings() -> Settings:
    """The settings of the environment; warnings go to stderr."""
    loaded, warnings = settings_module.load(os.environ)
    for warning in warnings:
        sys.stderr.write(f"recsys-service: {warning}\n")
    if loaded.database_url is None:
        embedded.prepare(loaded.data_dir)
    return loaded


@contextmanager
def transaction(loaded: Settings) -> Iterator[Connection]:
    """A transaction on a database whose schema is the right one. The embedded one is brought up to date first."""
    from recsys.service.store import database

    with database.database_url(loaded) as url:
        if loaded.database_url is None:
            database.migrate(url)
        else:
            database.check_schema(url)
        with database.connection(url) as opened:
            yield opened

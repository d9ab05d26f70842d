"""A PostgreSQL for the tests of queries."""

import psycopg
import pytest

import log_databases


@pytest.fixture(scope="session")
def dsn():
    """The connection string of a running PostgreSQL."""
    with log_databases.running() as dsn:
        yield dsn


@pytest.fixture(scope="session")
def database(dsn):
    """A connection to it."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection

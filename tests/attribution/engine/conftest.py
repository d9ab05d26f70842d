"""A PostgreSQL for all tests of the engines."""

import pytest

import postgres_engine


@pytest.fixture(scope="session")
def postgres():
    """The URL of a running PostgreSQL."""
    with postgres_engine.running() as url:
        yield url

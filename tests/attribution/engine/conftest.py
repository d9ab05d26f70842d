"""A PostgreSQL and a Spark for all tests of the engines."""

import tempfile
from contextlib import closing
from pathlib import Path

import pytest

import postgres_engine
import spark_here


@pytest.fixture(scope="session")
def postgres():
    """The URL of a running PostgreSQL."""
    with postgres_engine.running() as url:
        yield url


@pytest.fixture(scope="session")
def spark():
    """Spark on this machine, in a folder whose name Spark could take for a pattern; skips without Java or PySpark."""
    spark_here.required()
    from recsys.attribution.engine.spark import Spark

    with (
        tempfile.TemporaryDirectory(prefix="recsys [spark] it's ") as name,
        closing(Spark(Path(name), master="local[2]", memory_mib=1024)) as engine,
    ):
        yield engine

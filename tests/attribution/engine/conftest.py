"""A PostgreSQL and a Spark for all tests of the engines."""

import importlib.util
import shutil
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

import postgres_engine


@pytest.fixture(scope="session")
def postgres():
    """The URL of a running PostgreSQL."""
    with postgres_engine.running() as url:
        yield url


@pytest.fixture(scope="session")
def spark():
    """Spark on this machine, in a folder whose name Spark could take for a pattern; skips without Java or PySpark."""
    if shutil.which("java") is None:
        pytest.skip("no Java: Spark needs a Java Runtime 17 or newer")
    if importlib.util.find_spec("pyspark") is None:
        pytest.skip("no PySpark: `make test-long` installs it")
    from recsys.attribution.engine.spark import Spark

    with (
        tempfile.TemporaryDirectory(prefix="recsys [spark] it's ") as name,
        closing(Spark(Path(name), master="local[2]", memory_mib=1024)) as engine,
    ):
        yield engine

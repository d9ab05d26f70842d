"""Whether Spark can run here: without Java or PySpark its tests skip, and say so."""

import importlib.util
import shutil

import pytest


def required():
    """Skips where something is missing."""
    if shutil.which("java") is None:
        pytest.skip("no Java: Spark needs a Java Runtime 17 or newer")
    if importlib.util.find_spec("pyspark") is None:
        pytest.skip("no PySpark: `make test-long` installs it")

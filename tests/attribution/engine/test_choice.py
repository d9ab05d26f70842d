"""Which engine computes: what may be asked for, and what is refused rather than ignored."""

import sys

import pytest

from recsys.attribution.engine.choice import EngineChoice, chosen, opened, size
from recsys.errors import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1GB", 10**9), ("1.5gb", 1_500_000_000), ("512 MiB", 512 << 20), ("2TiB", 2 << 40), ("200000KB", 200_000_000)],
)
def test_a_size_is_a_number_with_its_unit(text, expected):
    """Units of a thousand and of 1,024, in any case."""
    assert size(text) == expected


@pytest.mark.parametrize("text", ["", "2", "GB", "-1GB", "1XB", "1 G B", "80%", "1e3MB", "1GBs"])
def test_what_is_no_size_is_refused(text):
    """With the option, what was found, and an example."""
    with pytest.raises(UsageError, match=r"--memory-limit: not a size .*1GB or 512MiB"):
        size(text)


def test_without_options_duckdb_has_its_defaults():
    """Nothing given is the same as the default choice; what is given stands."""
    assert chosen() == EngineChoice()
    assert chosen("duckdb", memory_limit="1GB", threads=1) == EngineChoice(memory_limit="1GB", threads=1)
    assert chosen().memory_limit == "1500MB"
    assert chosen("spark", master="yarn") == EngineChoice(name="spark", master="yarn", memory_limit="2GB")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"name": "sparc"}, "--engine: no such engine (found sparc). Did you mean 'spark'?"),
        ({"master": "yarn"}, "--master: only Spark has a master (found yarn). Give --engine spark too, or leave it"),
        ({"name": "duckdb", "master": "local"}, "only Spark has a master"),
        ({"name": "spark", "threads": 3}, "(found 3). Say it in the master, such as --master local[3]."),
        ({"name": ""}, "--engine: no such engine"),
        ({"memory_limit": ""}, "--memory-limit: not a size"),
        ({"memory_limit": "99MB"}, "--memory-limit: too little memory (found 99MB; expected 100MiB or more)"),
        ({"name": "spark", "memory_limit": "500MB"}, "expected 512MiB or more"),
    ],
)  # fmt: skip
def test_what_an_engine_does_not_have_is_refused(options, told):
    """An option that would do nothing is an error that says what to do."""
    with pytest.raises(UsageError) as refused:
        chosen(**options)
    assert told in str(refused.value)


def test_the_memory_limit_is_the_one_of_duckdb(tmp_path):
    """What is chosen reaches the database, and so do the threads."""
    with opened(chosen(memory_limit="256MiB", threads=1), tmp_path) as engine:
        [(limit, threads)] = engine.rows("SELECT current_setting('memory_limit'), current_setting('threads')")
    assert (limit, threads) == ("256.0 MiB", 1)


def test_without_java_spark_says_what_to_install(tmp_path, monkeypatch):
    """No Java on the PATH, or none where JAVA_HOME says, is an error with a way on."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(UsageError, match=r"--engine spark: Spark needs Java.* no java on the PATH.*17 or newer"):
        opened(chosen("spark"), tmp_path).__enter__()
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    with pytest.raises(UsageError, match="JAVA_HOME=/nowhere"):
        opened(chosen("spark"), tmp_path).__enter__()


def test_without_pyspark_it_says_what_to_install(tmp_path, monkeypatch):
    """With Java and without PySpark the error names the extra."""
    (tmp_path / "java").write_text("#!/bin/sh\n")
    (tmp_path / "java").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(UsageError, match=r"PySpark is not installed.*pip install 'recsys-suite\[spark\]'"):
        opened(chosen("spark"), tmp_path).__enter__()

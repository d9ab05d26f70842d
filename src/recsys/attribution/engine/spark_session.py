"""A Spark session for one join: started quietly, set up so that figures do not depend on where it runs, and ended."""

from __future__ import annotations

import importlib
import logging
import os
import re
import shutil
import signal
import subprocess
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from recsys.errors import InputError, RecsysError, StorageError, UsageError

LOCAL = "local"
LOCAL_MASTER = "local[*]"
LOCAL_PARTITIONS = 32
"""Into how many parts a shuffle on one machine is cut; Spark puts small ones together again."""
LOG = "spark.log"
LAST_S = 20
"""Seconds that a JVM has to end by itself."""
MOST_TOLD = 300
"""Characters of what Spark says that are told."""
_LOG4J = """
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n%ex
"""
_CLASS = re.compile(r'^(?:Exception in thread "\w+" )?(?:[\w.$]+(?:Exception|Error): )')
_NO_SPACE = ("No space left on device", "Disk quota exceeded")
_NO_MEMORY = ("OutOfMemoryError", "SparkOutOfMemoryError", "Cannot grow BufferHolder", "UNABLE_TO_ACQUIRE_MEMORY")


class Session:
    """The session, and the JVM that belongs to it; ``close`` ends both."""

    def __init__(self, scratch: Path, *, master: str, memory_mib: int) -> None:
        _check_java()
        self._scratch = scratch
        self._log = scratch / LOG
        self._gateway, self.spark = self._started(_settings(scratch, master, memory_mib), master)

    def _started(self, settings: dict[str, str], master: str) -> tuple[Any, Any]:
        pyspark = _pyspark("pyspark")
        conf = pyspark.SparkConf(loadDefaults=False).setAll(list(settings.items()))
        gateway = None
        for name in ("py4j", "SQLQueryContextLogger"):  # what they have to tell is raised too
            logging.getLogger(name).disabled = True
        handler = signal.getsignal(signal.SIGINT)
        try:
            with self._log.open("wb") as log:
                gateway = _pyspark("pyspark.java_gateway").launch_gateway(conf, {"stdout": log, "stderr": log})
            context = pyspark.SparkContext(conf=conf, gateway=gateway)
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, handler)  # Spark has put its own in the place of the program's
            return gateway, _pyspark("pyspark.sql").SparkSession(context)
        except Exception as error:
            if gateway is not None:
                _end(gateway)
            raise StorageError(
                "Spark did not start", where=f"--master {master}", found=_last_words(self._log) or _first_line(error),
                hint="Spark needs Java 17 or newer, and a master such as local[2], yarn, k8s://… or spark://host:7077.",
            ) from None  # fmt: skip

    @contextmanager
    def told(self) -> Iterator[None]:
        """Errors of Spark in words of ours."""
        errors = _pyspark("pyspark.errors")
        protocol = _pyspark("py4j.protocol")
        try:
            yield
        except (protocol.Py4JNetworkError, ConnectionError, EOFError) as error:
            raise self._out_of_memory("Spark ended", _last_words(self._log) or _first_line(error)) from error
        except (errors.PySparkException, protocol.Py4JError) as error:
            raise self._worded(error) from error

    def _worded(self, error: Exception) -> RecsysError:
        if any(words in str(error) for words in _NO_SPACE):
            hint = "Free space in the temporary folder (TMPDIR), or give fewer days at a time."
            return StorageError("the join ran out of disk", where=str(self._scratch), found=_cause(error), hint=hint)
        if any(words in str(error) for words in _NO_MEMORY):
            return self._out_of_memory("Spark ran out of memory", _cause(error))
        return InputError("the logs cannot be joined", found=_cause(error))

    def _out_of_memory(self, problem: str, found: str) -> StorageError:
        hint = "Give it more memory (--memory-limit), or fewer days at a time."
        return StorageError(problem, where=str(self._scratch), found=found, hint=hint)

    def close(self) -> None:
        """End the session and its JVM: what it has in the scratch folder is let go of."""
        with suppress(Exception):  # it may be gone already
            self.spark.stop()
        _end(self._gateway)


def _settings(scratch: Path, master: str, memory_mib: int) -> dict[str, str]:
    (scratch / "log4j2.properties").write_text(_LOG4J, encoding="utf-8")
    java = (f"-Dlog4j2.configurationFile={(scratch / 'log4j2.properties').as_uri()}", f"-Djava.io.tmpdir={scratch}")
    settings = {
        "spark.master": master,
        "spark.app.name": "recsys-eval",
        "spark.driver.memory": f"{memory_mib}m",
        "spark.driver.extraJavaOptions": " ".join(f'"{word}"' for word in java),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # Whatever the cluster's own settings are, the same query means the same thing
        "spark.sql.ansi.enabled": "true",
        "spark.sql.caseSensitive": "true",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.variable.substitute": "false",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.legacy.parquet.nanosAsLong": "false",
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
    }
    if master.startswith(LOCAL):
        settings |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.local.dir": str(scratch),
            "spark.sql.shuffle.partitions": str(LOCAL_PARTITIONS),
        }
    return settings


def _check_java() -> None:
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if found is None:
        raise UsageError(
            "Spark needs Java, and there is none", where="--engine spark",
            found=f"JAVA_HOME={home}" if home else "no java on the PATH",
            hint="Install a Java Runtime 17 or newer (on Debian: openjdk-17-jre-headless).",
        )  # fmt: skip


def _pyspark(module: str) -> Any:
    """A module of PySpark; UsageError where it is not installed."""
    # Which pandas there is matters not: it is not used
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in {"pyspark", "py4j"}:
            raise
        hint = "Install it: pip install 'recsys-suite[spark]'."
        raise UsageError("PySpark is not installed", where="--engine spark", hint=hint) from None


def functions() -> Any:
    """PySpark's functions on columns."""
    return _pyspark("pyspark.sql.functions")


def _end(gateway: Any) -> None:
    """End the JVM, and forget it: the next session starts one with settings of its own."""
    context = _pyspark("pyspark").SparkContext
    context._gateway = context._jvm = context._active_spark_context = None
    with suppress(Exception):
        gateway.shutdown()
    process = getattr(gateway, "proc", None)
    if process is None:  # somebody else's
        return
    process.stdin.close()  # what it waits for
    try:
        process.wait(LAST_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_words(log: Path) -> str:
    """The last line of Spark's own log that tells of an error, else the last that says anything."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    told = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith(("at ", "..."))]
    errors = [line for line in told if "Exception" in line or "Error" in line or "ERROR" in line]
    last = (errors or told or [""])[-1]
    return _CLASS.sub("", last)[:MOST_TOLD]


def _cause(error: BaseException) -> str:
    """What an error says that is at the root of others, without the names of classes."""
    causes = re.findall(r"^(?:Caused by: |: )(?:[\w.$]+: )?(.+)$", str(error), re.MULTILINE)
    return causes[-1][:MOST_TOLD] if causes else _first_line(error)


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:MOST_TOLD]

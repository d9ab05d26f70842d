"""The programs of the suite as a person would run them: real commands, in their own processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recsys.errors import StorageError

START_LIMIT_S = 60.0
STOP_LIMIT_S = 20.0
OWN_PREFIXES = ("ASSIGNMENT_LOG_", "EXPERIMENT_", "EXPOSURE_", "OUTCOME_LOG_", "RECSYS_")
OWN_NAMES = frozenset({"API_ADDR", "DATABASE_URL", "DATABASE_URL_FILE", "DEV_AUTH_ENABLED", "ENV", "LOG_LEVEL"})


def environment(settings: dict[str, str]) -> dict[str, str]:
    """This process's environment without settings of the suite, and with ``settings``."""
    inherited = {
        name: value for name, value in os.environ.items() if name not in OWN_NAMES and not name.startswith(OWN_PREFIXES)
    }
    return {**inherited, **settings}


def command(program: str, *arguments: str) -> list[str]:
    """The command line of a program of the suite, run by this very Python."""
    module = {"recsys-service": "recsys.service.cli", "recsys-eval": "recsys.evaluation.cli"}[program]
    return [sys.executable, "-c", f"from {module} import main; main()", *arguments]


def run(program: str, *arguments: str, env: dict[str, str], expect: tuple[int, ...] = (0,)) -> str:
    """Run to the end and return stdout; StorageError with the program's own words on another exit status."""
    done = subprocess.run(command(program, *arguments), env=env, capture_output=True, text=True, check=False)
    if done.returncode not in expect:
        told = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise StorageError(f"`{program} {' '.join(arguments)}` ended with status {done.returncode}", found=told)
    return done.stdout


def free_port() -> int:
    """A port of the loopback interface that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(*, env: dict[str, str], port: int, workers: int, log: Path) -> Iterator[None]:
    """``recsys-service serve`` until the block ends; it is ready when the block begins, and stopped by SIGTERM.

    What the service says goes to ``log``. StorageError when it does not become ready, or does not stop with status 0.
    """
    with log.open("wb") as out:
        process = subprocess.Popen(
            command("recsys-service", "serve", "--workers", str(workers)), env=env, stdout=out, stderr=out
        )
    try:
        _await_ready(process, port, log)
        yield
    finally:
        _stop(process, log)


def _await_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StorageError("the service ended before it was ready", where=str(log), found=_tail(log))
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.1)
    raise StorageError(f"the service was not ready after {START_LIMIT_S:.0f} s", where=str(log), found=_tail(log))


def _stop(process: subprocess.Popen[bytes], log: Path) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    killer = threading.Timer(STOP_LIMIT_S, process.kill)
    killer.start()
    status = process.wait()
    killer.cancel()
    if status != 0:
        raise StorageError(f"the service stopped with status {status}", where=str(log), found=_tail(log))


def _tail(log: Path) -> str:
    return log.read_text(errors="replace").strip()[-1500:]

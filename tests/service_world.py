"""A real service for tests: its commands, its processes, its database, and a small shop with a known history."""

import contextlib
import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import httpx

from recsys import console
from recsys.service.cli import app

SALT = "salt"
PROGRAM = [sys.executable, "-c", "from recsys.service.cli import main; main()"]
OURS = ("EXPOSURE_", "OUTCOME_", "ASSIGNMENT_", "RECSYS_", "EXPERIMENT_", "DATABASE_", "DEV_AUTH", "API_ADDR", "ENV",
        "LOG_LEVEL", "MIGRATE_")  # fmt: skip
TAGS = ("red", "blue", "green")
ITEMS = {f"item-{n:02}": [TAGS[n % 3], "all"] for n in range(30)}
START = 1_770_000_000
EVENTS = [
    (f"user-{user}", f"item-{(user * 7 + step * (step + 3)) % 30:02}", START + user * 3600 + step * 60)
    for user in range(20)
    for step in range(6)
]
CONFIG = {
    "weights": {"pop": 0.5, "cooc": 0.5},
    "limits": {"max_k": 50},
    "surfaces": {"popular": {"weights": {"pop": 1, "cooc": 0}}},
    "experiments": {
        "exp-1": {"variants": {"A": {}, "B": {"weights": {"pop": 1, "cooc": 0}}}},
        "nobody": {"traffic_percent": 0, "variants": {"A": {}, "B": {}}},
    },
}


class Ran(NamedTuple):
    """What a command did."""

    status: int
    out: str
    err: str


def environment(**settings: str) -> dict[str, str]:
    """The environment of this process with ``settings`` in place of all that the service reads."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)} | settings


def cli(*arguments: object, env: dict[str, str]) -> Ran:
    """Run ``recsys-service`` in this process: the same code without the start of an interpreter."""
    out, err = io.StringIO(), io.StringIO()
    words = [str(argument) for argument in arguments]
    with (
        mock.patch.dict(os.environ, env, clear=True),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        status = console.run(app, "recsys-service", words)
    return Ran(status, out.getvalue(), err.getvalue())


def program(*arguments: object, env: dict[str, str], timeout: float = 60, cwd: Path | None = None) -> Ran:
    """Run ``recsys-service`` as a process of its own."""
    done = subprocess.run(
        [*PROGRAM, *map(str, arguments)], env=env, capture_output=True, text=True, timeout=timeout, check=False, cwd=cwd
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def public_folder() -> Path:
    """A new folder that every user may enter: PostgreSQL does not run as root."""
    path = Path(tempfile.mkdtemp(prefix="rs-"))
    path.chmod(0o755)
    return path


class Server:
    """``recsys-service serve`` on a free port, until ``stop``. ``within``: a command that runs it, such as unshare."""

    def __init__(self, env: dict[str, str], workers: int = 1, within: tuple[str, ...] = ()) -> None:
        self.env = environment(**{"API_ADDR": "127.0.0.1:0"} | env)
        self.words: list[str] = []
        self.process = subprocess.Popen(
            [*within, *PROGRAM, "serve", "--workers", str(workers)], env=self.env, stderr=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.url = self._address()
            self.client = httpx.Client(base_url=self.url, timeout=20)
            self.wait(lambda: "is ready" in self.said and self.said.count("is ready") >= workers)
        except BaseException:
            self.stop()
            raise

    @property
    def said(self) -> str:
        """What it wrote on stderr so far."""
        return "".join(self.words)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.words.append(line)

    def _address(self) -> str:
        self.wait(lambda: "serving on " in self.said)
        found = re.search(r"serving on (http://\S+)", self.said)
        assert found is not None
        return found[1]

    def wait(self, true, seconds: float = 30) -> None:
        """Until ``true()``; fails with the service's own words."""
        end = time.monotonic() + seconds
        while not true():
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.said}"
            assert time.monotonic() < end, f"waited {seconds} s in vain:\n{self.said}"
            time.sleep(0.02)

    def stop(self, with_signal: int = signal.SIGTERM) -> int:
        """End it; its exit status. What does not end within 20 seconds is killed."""
        if hasattr(self, "client"):
            self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self._reader.join(5)
            assert self.process.stderr is not None
            self.process.stderr.close()


def write_shop(folder: Path, items=None, events=None) -> tuple[Path, Path]:
    """Files to import: the shop's items (JSONL) and events (CSV)."""
    catalogue, past = folder / "items.jsonl", folder / "events.csv"
    rows = [{"item_id": item, "tags": tags} for item, tags in (ITEMS if items is None else items).items()]
    catalogue.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with past.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["user_id", "item_id", "ts", "event_type"])
        out.writerows([*event, "click"] for event in (EVENTS if events is None else events))
    return catalogue, past


def log_lines(path: Path, log: str = "exposure") -> list[dict]:
    """All lines of a log, which is a file or a folder of files."""
    files = sorted(path.glob(f"{log}-*.jsonl")) if path.is_dir() else [path]
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def one(rows: list[dict], request_id: str) -> dict:
    """The only row of a request."""
    found = [row for row in rows if row["request_id"] == request_id]
    assert len(found) == 1, f"{len(found)} rows of {request_id}"
    return found[0]

"""What tests of live logs share: tools, accounts of what was answered and what is logged, a disk that can be filled."""

import collections
import contextlib
import json
import os
import re
import shutil
import time
from pathlib import Path

import psutil
import pytest

from http_load import Reply
from recsys.eventlog.writing import index as indexes


def tool(name: str) -> str:
    """The path of a tool; skips where it is missing."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def workers(server) -> list[psutil.Process]:
    """The processes that serve."""
    found = []
    for child in psutil.Process(server.process.pid).children():
        with contextlib.suppress(psutil.Error):  # it has just ended
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
    return found


def logged_ids(folder: Path, pattern: str = "exposure-*.jsonl") -> collections.Counter:
    """How often each request is in the log, over all files."""
    found: collections.Counter = collections.Counter()
    for path in folder.glob(pattern):
        for line in path.read_bytes().splitlines():
            found[json.loads(line)["request_id"]] += 1
    return found


def check_accounts(replies: list[Reply], logged: collections.Counter) -> collections.Counter:
    """Every answer that says logged is in the log once; nothing is there twice. Returns what became of the requests."""
    twice = [name for name, count in logged.items() if count > 1]
    assert not twice, f"{len(twice)} requests are in the log twice: {twice[:5]}"
    missing = [reply for reply in replies if reply.logged and reply.request_id not in logged]
    assert not missing, f"{len(missing)} of {len(replies)} answers say logged and are not in the log: {missing[:5]}"
    return collections.Counter("logged" if reply.logged else str(reply.status) for reply in replies)


class SmallDisk:
    """A tmpfs of its own for the logs of a service, in a mount namespace that only the service sees."""

    def __init__(self, folder: Path, size: str) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        mount = f'mount -t tmpfs -o size={size} tmpfs {folder} && exec "$@"'
        as_root = () if os.geteuid() == 0 else ("--user", "--map-root-user")
        self.within = (tool("unshare"), *as_root, "--mount", "sh", "-c", mount, "sh")
        self._fd = -1

    def enter(self, pid: int) -> None:
        """Look into it through a process that sees it; it stays while this object does, also when they end."""
        self._fd = os.open(f"/proc/{pid}/root{self.folder}", os.O_RDONLY)

    @property
    def seen(self) -> Path:
        """The folder, from outside."""
        return Path(f"/proc/self/fd/{self._fd}")

    def fill(self) -> None:
        """Leave no room."""
        with (self.seen / "ballast").open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                return

    def free(self) -> None:
        """Give the room back."""
        (self.seen / "ballast").unlink(missing_ok=True)

    def gaps(self) -> list[indexes.Gap]:
        """The gap records of all indexes."""
        return [gap for path in sorted(self.seen.glob("*.index")) for gap in indexes.read(path).of(indexes.Gap)]


def metric(world, name: str) -> float:
    """The figure of the exposure log."""
    text = world.get("/metrics", key="").text
    found = re.search(rf'^{name}{{log="exposure"}} (\S+)$', text, re.MULTILINE)
    assert found is not None, text
    return float(found[1])


def until(true, seconds: float = 20) -> None:
    """Wait until it is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.05)

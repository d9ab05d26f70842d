"""Closed segments of a log folder to work on, and operations that end a process in the middle."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from recsys.eventlog.writing.writer import LogSettings, LogWriter

NOON = datetime(2026, 2, 5, 12, tzinfo=UTC)
NAME = "exposure-2026-02-05.w1-1.jsonl"


def line(number, size=200):
    """A line of a log, as long as others are, and different from them."""
    return b'{"number":%d,"rest":"%s"}' % (number, (b"%x" % (number * 2654435761 % 2**32)) * (size // 8))


def write_segment(folder, *, count=50, writer="w1", log="exposure", at=NOON, close=True, **settings):
    """A segment of ``count`` lines; returns its bytes, and the writer where it is still open."""
    made = LogWriter(LogSettings(path=f"{folder}/", **settings), log=log, writer=writer, clock=lambda: at)
    made.open()
    for number in range(count):
        made.append(line(number))
    content = made.path.read_bytes()
    if not close:
        return content, made
    made.close()
    return content


DEAD = """
import os, sys
from datetime import timedelta
from closed_segments import NOON, write_segment
write_segment(sys.argv[1], writer="dead", close=False, at=NOON - timedelta(days=int(sys.argv[2])))
os._exit(9)
"""


def write_dead(folder, *, days_ago=0):
    """A segment whose writer ended in the middle of a line."""
    words = [sys.executable, "-c", DEAD, str(folder), str(days_ago)]
    assert subprocess.run(words, check=False, cwd=Path(__file__).parent).returncode == 9
    path = Path(folder) / f"exposure-{NOON - timedelta(days=days_ago):%Y-%m-%d}.dead-1.jsonl"
    path.write_bytes(path.read_bytes() + b'{"half":')


class Killed(BaseException):
    """The process ends here. Nothing that handles errors handles this."""


class Death:
    """Counts operations, and lets the ``at``-th be the last: of a write one half is done, of others nothing."""

    def __init__(self, at=None):
        self.at = at
        self.names = []

    @property
    def count(self):
        return len(self.names)

    def of(self, target):
        """The same functions as ``target`` has, each of which may be the last."""
        return _Mortal(self, target)


class _Mortal:
    def __init__(self, death, target):
        self._death = death
        self._target = target

    def __getattr__(self, name):
        function = getattr(self._target, name)
        if name == "url_of":
            return function

        def call(*arguments, **named):
            self._death.names.append(name)
            if self._death.count == self._death.at:
                if name == "write":
                    os.write(arguments[0], arguments[1][: len(arguments[1]) // 2])
                raise Killed
            return function(*arguments, **named)

        return call

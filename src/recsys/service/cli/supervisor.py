"""The parent of the workers: says when they serve, and never leaves them behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys

from uvicorn import Config
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from recsys.service import metrics


class Supervisor(Multiprocess):
    """uvicorn's supervisor, which tells the address once every worker answers, and ends where one dies before that:
    ``broken``. Later, dead workers are replaced."""

    def __init__(self, config: Config, listening: socket.socket) -> None:
        super().__init__(config, [listening])
        self._address = _shown(listening)
        self._told = False
        self.broken = False

    def keep_subprocess_alive(self) -> None:
        """Look after the workers."""
        for worker in self.processes:
            worker.child_conn.close()  # theirs alone, so that a death is noticed at once, not after a long silence
        if self._told:
            super().keep_subprocess_alive()
            metrics.forget_all_but({worker.pid for worker in self.processes})
            self.broken = self.should_exit.is_set() and any(w.exitcode == STARTUP_FAILURE for w in self.processes)
        elif not self.should_exit.is_set():
            self._begin()

    def _begin(self) -> None:
        ready = [worker.is_ready(timeout=1) for worker in self.processes]
        if any(worker.exitcode is not None for worker in self.processes):
            self.broken = True
            self.should_exit.set()
        elif all(ready):
            self._told = True
            workers = "1 worker" if len(self.processes) == 1 else f"{len(self.processes)} workers"
            sys.stderr.write(f"recsys-service: serving on {self._address} with {workers}\n")
            sys.stderr.flush()


def _shown(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def leave_with_parent() -> None:
    """Stop this worker when its parent is gone: it would serve on, unsupervised, and keep the address."""
    parent = multiprocessing.parent_process()
    if parent is not None and os.getppid() != parent.pid:
        os.kill(os.getpid(), signal.SIGTERM)

"""``recsys-service serve``: everything that can be wrong is found before a worker starts."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from recsys.errors import ConfigError, StorageError
from recsys.service.cli import database as at

if TYPE_CHECKING:
    from recsys.service.settings import Settings

GRACEFUL_STOP_S = 10
WORKER_SILENCE_S = 20
MEMORY = "/dev/shm"  # noqa: S108 - only the parent of a folder with a random name


def serve(
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes.")] = 1,
) -> None:
    """Serve recommendations over HTTP until SIGTERM or SIGINT; settings come from the environment.

    Without DATABASE_URL, outside production, an embedded PostgreSQL in RECSYS_DATA_DIR is started and stopped too.

    **Examples**

        EXPOSURE_LOG_PATH=logs/ OUTCOME_LOG_PATH=logs/ recsys-service serve --workers 2
        API_ADDR=0.0.0.0:8000 ENV=production DATABASE_URL_FILE=/run/secrets/db recsys-service serve
    """
    from recsys.eventlog import salt
    from recsys.eventlog.writing.writer import check_writable
    from recsys.service.store import database

    settings = at.settings()
    secret = salt.load(settings.hash_salt, data_dir=settings.data_dir, production=settings.production)
    if settings.previous_salt is not None and settings.previous_salt.encode() == secret:
        found = f"the salt that is kept in {settings.data_dir}"
        raise ConfigError(
            "both salts are the same", where="EXPOSURE_HASH_SALT_PREVIOUS", found=found, expected="the one before"
        )
    for name, log in (
        ("exposure", settings.exposure),
        ("outcome", settings.outcome),
        ("assignment", settings.assignment),
    ):
        found = log.writer_settings()
        if found is not None:
            check_writable(found, log=name)
        elif name != "assignment" or settings.assignment_enabled:
            sys.stderr.write(f"recsys-service: the {name} log is not enabled: set {name.upper()}_LOG_PATH\n")
    with _Stop() as stop, _bound(settings) as listening, database.database_url(settings) as url:
        if settings.migrate_on_start:
            database.migrate(url)
        else:
            database.check_schema(url)
        if settings.database_url is None:
            os.environ["DATABASE_URL"] = url  # how the workers learn of the embedded one
        with tempfile.TemporaryDirectory(prefix="recsys-metrics-", dir=_memory()) as counted:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = counted  # the workers count together
            _run(settings, listening, workers, stop)


def _memory() -> str | None:
    """Where the workers count. Their counts are mapped into memory: on a full disk a new worker would die of that."""
    return MEMORY if os.access(MEMORY, os.W_OK) else None


class _Stop:
    """Takes SIGTERM and SIGINT while the service prepares itself, so that it still leaves in order: with the database
    stopped, and status 0."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> Self:
        signals = (signal.SIGTERM, signal.SIGINT)
        self._before = {number: signal.signal(number, self._ask) for number in signals}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, *_: object) -> None:
        self.asked = True


def _bound(settings: Settings) -> socket.socket:
    """A listening socket; StorageError where the address is taken or is none of this machine."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
        listening.listen(1024)
    except (OSError, UnicodeError) as error:
        listening.close()
        found = (error.strerror if isinstance(error, OSError) else None) or "not the name of a host"
        raise StorageError(
            "the address cannot be listened on", where=f"API_ADDR {settings.host}:{settings.port}",
            found=found, hint="Stop the other program, or choose another address with API_ADDR.",
        ) from None  # fmt: skip
    listening.set_inheritable(True)
    return listening


def _run(settings: Settings, listening: socket.socket, workers: int, stop: _Stop) -> None:
    """Always under uvicorn's supervisor, also for one worker: a lone server would die of its own SIGTERM."""
    import uvicorn

    from recsys.service.cli.supervisor import Supervisor, leave_with_parent

    config = uvicorn.Config(
        "recsys.service.app:create",
        factory=True,
        workers=workers,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        log_level=settings.log_level,
        log_config=_logging(settings.log_level),
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing depends on the address of the client
        ws="none",
        timeout_graceful_shutdown=GRACEFUL_STOP_S,
        timeout_worker_healthcheck=WORKER_SILENCE_S,
        callback_notify=leave_with_parent,
        timeout_notify=1,
    )
    supervisor = Supervisor(config, listening)  # takes the signals from here on
    if stop.asked:
        return
    with _upkeep(settings):
        supervisor.run()
    if supervisor.broken:
        raise StorageError("a worker could not start", hint="Its own words are above.")


@contextmanager
def _upkeep(settings: Settings) -> Iterator[None]:
    """Closed segments are looked after here, in the parent, which no request waits for."""
    import logging

    from recsys.eventlog.upkeep.passes import Upkeep, UpkeepThread

    described = {"exposure": settings.exposure, "outcome": settings.outcome, "assignment": settings.assignment}
    logs = {name: found for name, log in described.items() if (found := log.writer_settings()) is not None}
    thread = UpkeepThread(Upkeep(logs), logging.getLogger("recsys.service").warning)
    thread.start()
    try:
        yield
    finally:
        thread.stop()


def _logging(level: str) -> dict[str, Any]:
    """Plain lines on stderr."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
        "root": {"level": level.upper(), "handlers": ["stderr"]},
        "loggers": {"uvicorn": {"level": level.upper()}},
    }

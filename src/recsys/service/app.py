"""The wiring of one worker: settings, logs, snapshots, handlers. ``create`` is what the server starts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from recsys.errors import ConfigError
from recsys.eventlog import salt
from recsys.eventlog.writing.writer import LogWriter, writer_name
from recsys.service import settings as settings_module
from recsys.service.http import server
from recsys.service.http.handlers import Handlers
from recsys.service.logs import ExposureFormat, Logs
from recsys.service.metrics import LogMetrics
from recsys.service.outcomes import Collector
from recsys.service.recommend import Assignments, Recommender
from recsys.service.settings import Log, Settings
from recsys.service.store.reader import Reader
from recsys.service.tenants import Registry

log = logging.getLogger("recsys.service")


def create() -> Any:
    """The ASGI application of the environment's settings. ``recsys-service serve`` checked them and the database."""
    settings, _ = settings_module.load(os.environ)
    if settings.database_url is None:
        hint = "Start the service with `recsys-service serve`, which starts the embedded database."
        raise ConfigError("a worker needs a database", where="DATABASE_URL", found="nothing", hint=hint)
    secret = salt.load(settings.hash_salt, data_dir=settings.data_dir, production=settings.production)
    previous = None if settings.previous_salt is None else settings.previous_salt.encode()
    logs = make_logs(settings)
    registry = Registry(half_life_days=settings.half_life_days, covis_window_days=settings.covis_window_days)
    assignments = Assignments(
        salt=(settings.assignment_salt or "").encode(),
        enabled=settings.assignment_enabled,
        default_variants=settings.default_variants,
    )
    handlers = Handlers(
        registry=registry,
        recommender=Recommender(logs, secret, assignments, previous_salt=previous),
        collector=Collector(logs, secret, previous_salt=previous),
        logs=logs,
        dev_auth=settings.dev_auth,
        started=time.monotonic(),
    )
    reader = Reader(settings.database_url, max_k=settings.max_k)

    @asynccontextmanager
    async def living() -> AsyncIterator[None]:
        logs.open()
        await asyncio.to_thread(registry.refresh, reader.listing, reader.load)
        tasks = [asyncio.create_task(_poll(registry, reader, settings.refresh_s)), asyncio.create_task(_tick(logs))]
        log.info("worker %d is ready", os.getpid())
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            logs.close()
            reader.close()

    return server.build(
        handlers, lifespan=living, max_body_bytes=settings.max_body_bytes, docs=not settings.production
    )  # fmt: skip


def make_logs(settings: Settings) -> Logs:
    """The writers of this process; its id tells its files in a folder from those of other workers."""
    metrics = {name: LogMetrics(name) for name in ("exposure", "outcome", "assignment")}
    return Logs(
        exposure=_writer("exposure", settings.exposure, metrics),
        outcome=_writer("outcome", settings.outcome, metrics),
        assignment=_writer("assignment", settings.assignment, metrics),
        exposure_format=cast(ExposureFormat, settings.exposure_format),
        metrics=metrics,
    )


def _writer(name: str, described: Log, metrics: dict[str, LogMetrics]) -> LogWriter | None:
    found = described.writer_settings()
    return None if found is None else LogWriter(found, log=name, writer=writer_name(), observer=metrics[name])


async def _tick(logs: Logs) -> None:
    """Every second, for ever."""
    while True:
        try:
            logs.tick()
        except Exception:  # whatever it was, segments are to be closed at midnight
            log.exception("the logs could not be looked after")
        await asyncio.sleep(1)


async def _poll(registry: Registry, reader: Reader, every_s: float) -> None:
    """Look for changed data for ever, in a thread: requests go on meanwhile."""
    while True:
        await asyncio.sleep(every_s)
        before = registry.failures
        await asyncio.to_thread(registry.refresh, reader.listing, reader.load)
        if registry.failures != before:
            for told in registry.failures or ("whole again",):
                log.warning("refresh: %s", told)

"""The three logs of the service: exposures, outcomes, assignments. Lines are made here, and written by ``eventlog``."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from recsys.contracts.events import (
    Assignment,
    ExperimentRef,
    Outcome,
    RequestContext,
    ServiceExposure,
    ServiceItem,
    SubjectHashes,
)
from recsys.errors import RequestError, StorageError
from recsys.eventlog.convert import to_exposure_v1
from recsys.eventlog.writing.writer import LogWriter
from recsys.service.metrics import LogMetrics

ExposureFormat = Literal["service_v1", "eval_v1"]

log = logging.getLogger("recsys.service")
RETRY_S = 5.0
"""So long after a failed write a worker says that it is not ready; then the next request may try again."""

_encode = msgspec.json.Encoder().encode


class Subject(Struct, frozen=True):
    """Pseudonyms of the identifiers that came with a request."""

    user: str | None = None
    anonymous: str | None = None
    session: str | None = None

    @property
    def first(self) -> str | None:
        """The one that the exposure is logged under: user, else anonymous, else session."""
        return self.user or self.anonymous or self.session


@dataclass(frozen=True)
class Versions:
    """What served a list, as far as it is known."""

    algo: str
    config: str
    rules: str
    release: str


class Served(Struct, frozen=True, kw_only=True):
    """A request that is answered, as it is logged, but for its list."""

    request_id: str
    ts: datetime
    tenant_id: str
    surface: str
    segment: str
    subject: Subject
    versions: Versions | None
    locale: str | None = None
    device: str | None = None
    country: str | None = None
    now: str | None = None
    experiment: tuple[str, str] | None = None


class Listed(Struct, frozen=True):
    """The list of an answer: (item_id, score) in the order of their ranks. ``error``: there is none, for the service
    failed."""

    items: list[tuple[str, float]]
    latency_ms: float
    error: bool = False


def _known(value: str | None) -> str | UnsetType:
    return value or UNSET


def service_record(served: Served, listed: Listed) -> ServiceExposure:
    """The ``service_v1`` record of an answer."""
    versions = served.versions
    context = RequestContext(
        locale=_known(served.locale),
        device=_known(served.device),
        country=_known(served.country),
        now=_known(served.now),
    )
    subject = SubjectHashes(
        user_id_hash=_known(served.subject.user),
        anonymous_id_hash=_known(served.subject.anonymous),
        session_id_hash=_known(served.subject.session),
    )
    return ServiceExposure(
        schema_version="v1",
        timestamp=served.ts,
        request_id=served.request_id,
        tenant_id=served.tenant_id,
        surface=served.surface,
        segment=_known(served.segment),
        algo_version=UNSET if versions is None else versions.algo,
        config_version=UNSET if versions is None else versions.config,
        rules_version=UNSET if versions is None else versions.rules,
        release=UNSET if versions is None else versions.release,
        experiment=UNSET if served.experiment is None else _experiment(*served.experiment),
        subject=subject if served.subject.first else UNSET,
        context=context if context != _NO_CONTEXT else UNSET,
        items=[ServiceItem(item_id=item, rank=rank, score=score) for rank, (item, score) in enumerate(listed.items, 1)],
        latency_ms=listed.latency_ms,
        error=listed.error,
    )


_NO_CONTEXT = RequestContext()


def _experiment(name: str, variant: str) -> ExperimentRef:
    return ExperimentRef(id=name, variant=variant)


def exposure_line(served: Served, listed: Listed, log_format: ExposureFormat) -> bytes:
    """The line of an answer in the format of the exposure log, without its newline."""
    record = service_record(served, listed)
    return _encode(record if log_format == "service_v1" else to_exposure_v1(record))


def assignment_line(served: Served) -> bytes:
    """The ``assignment.v1`` line of an answer that was ranked under an experiment."""
    if served.experiment is None:
        raise ValueError("no experiment, no assignment")
    context = {"tenant_id": served.tenant_id, "surface": served.surface}
    user = served.subject.first
    if user is None:
        context["anonymous"] = "true"
    return _encode(
        Assignment(
            experiment_id=served.experiment[0],
            variant=served.experiment[1],
            request_id=served.request_id,
            user_id=user or served.request_id,
            ts=served.ts,
            context=context,
        )
    )


@dataclass(frozen=True)
class Logs:
    """The writers of one process; None where a log is not enabled."""

    exposure: LogWriter | None
    outcome: LogWriter | None
    assignment: LogWriter | None
    exposure_format: ExposureFormat = "service_v1"
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    metrics: dict[str, LogMetrics] = field(
        default_factory=lambda: {name: LogMetrics(name) for name in ("exposure", "outcome", "assignment")}, repr=False
    )
    _failed_at: dict[str, float] = field(default_factory=dict, init=False, repr=False)

    @property
    def all(self) -> list[tuple[str, LogWriter | None]]:
        """Each log by its name."""
        return [("exposure", self.exposure), ("outcome", self.outcome), ("assignment", self.assignment)]

    def open(self) -> None:
        """Open the files; StorageError names the one that cannot be written."""
        for _, writer in self.all:
            if writer is not None:
                writer.open()

    def close(self) -> None:
        """Write what waits and close the files."""
        for name, writer in self.all:
            if writer is not None:
                writer.close()
                self.metrics[name].look_at(writer, self.clock())

    def require_room(self, *names: str) -> None:
        """RequestError (503) where so many lines wait for the disk that no more may: memory is bounded, and whoever is
        told to come again has been shown nothing."""
        for name, writer in self.all:
            if writer is not None and name in names and not writer.has_room:
                self.metrics[name].shed()
                told = f"the {name} log waits for its disk, and too many requests wait for the log"
                raise RequestError(503, "RECSYS_OVERLOADED", told, retry_after=1)

    def fails(self, name: str) -> bool:
        """Whether a request is refused when its line cannot be written to this log."""
        writer = dict(self.all)[name]
        return writer is not None and writer.settings.on_error == "fail"

    def tick(self) -> None:
        """To be called every second: closes segments of days that are over, and takes the figures of the moment."""
        now = self.clock()
        for name, writer in self.all:
            if writer is not None:
                writer.tick()
                self.metrics[name].look_at(writer, now)

    async def log_served(self, served: Served, listed: Listed) -> None:
        """Write the exposure. StorageError where it was not written."""
        if self.exposure is not None:
            await self._append("exposure", self.exposure, exposure_line(served, listed, self.exposure_format))

    async def log_assignment(self, served: Served) -> None:
        """Write the assignment of an answer that has one. StorageError where it was not written."""
        if self.assignment is not None and served.experiment is not None:
            await self._append("assignment", self.assignment, assignment_line(served))

    async def log_outcomes(self, outcomes: list[Outcome]) -> None:
        """Write outcomes, all in one go. StorageError where they were not written."""
        if self.outcome is not None:
            await self._append("outcome", self.outcome, *map(_encode, outcomes))

    async def _append(self, name: str, writer: LogWriter, *lines: bytes) -> None:
        """Write, and tell the service's own log when writing begins to fail and when it works again."""
        try:
            await writer.append_durable(*lines)
        except StorageError as error:
            if name not in self._failed_at:
                log.error("%s", error)
            self._failed_at[name] = time.monotonic()
            raise
        if self._failed_at.pop(name, None) is not None:
            log.warning("the %s log is written again", name)

    def unwritable(self) -> list[str]:
        """Logs whose last line could not be written, a moment ago. Later a worker must be asked again: who gets no
        requests would never find out that the disk has space again."""
        now = time.monotonic()
        return [name for name, _ in self.all if now - self._failed_at.get(name, -RETRY_S) < RETRY_S]

"""What is asked of a log, and what it answers: rows with their places."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

from msgspec import Struct, field

from recsys.contracts.events import Assignment, Exposure, Outcome
from recsys.contracts.report import KnownGap
from recsys.errors import InputError
from recsys.eventlog.faults import Finding
from recsys.eventlog.writing.index import Alias

Role = Literal["exposures", "outcomes", "assignments"]
ROLES: tuple[Role, ...] = ("exposures", "outcomes", "assignments")
Record: TypeAlias = Exposure | Outcome | Assignment
MOST_ROWS = 100_000
"""With more rows than this, an id is no request's: all of them would have to be held and joined."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Ask(Struct, frozen=True, kw_only=True):
    """Rows of one of these requests, with one of these event_ids, or of one of these users from ``since`` to ``until``
    (microseconds since 1970, both included), of the users' rows those ``but`` of one request.

    ``most``: how many rows are given at most, those whose time is nearest to ``around``; the others are counted.
    ``refused``: whether lines that are not valid are given as well, where one of the requests stands in them.
    """

    requests: frozenset[str] = frozenset()
    events: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    since: int = 0
    until: int = 0
    but: str = ""
    most: int | None = None
    around: int = 0
    refused: bool = False

    @property
    def texts(self) -> list[str]:
        """The ids of which every row that is asked for holds one."""
        return sorted(self.requests | self.events | self.users)

    def takes(self, request_id: object, user_id: object, event_id: object, ts_us: int | None) -> bool:
        """Whether a row with these values is asked for."""
        if isinstance(request_id, str) and request_id in self.requests:
            return True
        if isinstance(event_id, str) and event_id in self.events:
            return True
        if not isinstance(user_id, str) or user_id not in self.users or request_id == self.but:
            return False
        return ts_us is not None and self.since <= ts_us <= self.until


class Row(Struct, kw_only=True, eq=False):
    """One row of a log. ``record`` is None where it is not valid; ``findings`` then say why.

    ``service``: whether it is a line of ``service_v1``. ``scores``: those of the items, in their order, where the log
    has them. ``line``: 1-based; 0 as long as only its ``offset`` in bytes is known.
    """

    role: Role
    file: str
    line: int = 0
    offset: int = 0
    record: Record | None = None
    service: bool = False
    scores: list[float | None] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def ts_us(self) -> int:
        """Its instant, in microseconds since 1970; 0 where it is not valid."""
        return 0 if self.record is None else micros(self.record.ts)

    @property
    def place(self) -> str:
        """``file:line``."""
        return f"{self.file}:{self.line}"


class Answer(Struct, kw_only=True):
    """The rows that were asked for. ``more``: valid ones that were too many; ``refused``: lines that are not valid and
    would have been among them, counted (those in which a request stands are rows)."""

    rows: list[Row] = field(default_factory=list)
    more: int = 0
    refused: int = 0


def too_many(role: Role) -> InputError:
    """What is said where a log holds more rows than can be traced."""
    hint = "An id that stands on so many rows is no request's: see `recsys-eval doctor`. A fallback may need many too."
    return InputError("more rows than can be traced", where=role, expected=f"at most {MOST_ROWS:,}", hint=hint)


class Losses(Struct, frozen=True):
    """What a log tells of records that are in none, and of pseudonyms of an earlier salt."""

    gaps: list[KnownGap] = field(default_factory=list)
    aliases: list[Alias] = field(default_factory=list)


def micros(ts: datetime) -> int:
    """Microseconds since 1970, exactly."""
    delta = ts - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def instant(ts_us: int) -> datetime:
    """The instant of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=ts_us)

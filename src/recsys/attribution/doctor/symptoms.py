"""What a detector is, and what it hands over: a symptom with its rows, from which the doctor makes a finding."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from msgspec import Struct, field

from recsys.contracts.diagnosis import Severity

if TYPE_CHECKING:
    from recsys.attribution.doctor.case import Case

Log = Literal["exposures", "outcomes", "assignments"]
Limits = Mapping[str, float]
"""The numbers that a detector judges by, by name."""


class Place(Struct, frozen=True, order=True):
    """A line of a file, from 1."""

    file: str
    line: int


class Rows(Struct, frozen=True, kw_only=True):
    """Which rows a symptom is about: ``query`` gives one column named ``row``, the ``row_number`` of outcomes, or the
    ``request_id`` of exposures and assignments; or ``places`` names lines. ``outcomes``: a query for the outcomes that
    a symptom of another log concerns too."""

    query: str = ""
    places: frozenset[Place] = frozenset()
    outcomes: str = ""


class Shift(Struct, frozen=True, kw_only=True):
    """What would change in the counts without the fault: clicks (or conversions, where there are no clicks) that would
    be attributed too, clicks that would not, exposures that would not count, and exposures that would. ``at_most``:
    that is the most that the fault may have done, and it may have done nothing, so the figure stands in the note."""

    clicks_found: float = 0
    clicks_extra: float = 0
    exposures_extra: float = 0
    exposures_found: float = 0
    at_most: bool = False
    note: str = ""


class Symptom(Struct, frozen=True, kw_only=True):
    """``n`` of ``of`` rows of ``log``, or of ``unit`` where something else is counted; instants in microseconds since
    1970. ``shift`` None: no figure depends on it, or none can be given. ``subject`` tells symptoms of one detector
    apart, from one examination to the next."""

    severity: Severity
    cause: str
    fix: str
    log: Log
    n: int
    of: int
    subject: str = ""
    unit: str = ""
    rows: Rows | None = None
    first_us: int | None = None
    last_us: int | None = None
    onset_us: int | None = None
    facts: list[str] = field(default_factory=list)
    shift: Shift | None = None


class Unable(Exception):  # noqa: N818 - no error: an answer
    """Raised by a detector that cannot look: the message says what it lacks, such as "there are no assignments"."""


class Detector(Struct, frozen=True, kw_only=True):
    """``look`` finds symptoms in a case; ``limits`` are its numbers with their defaults, which a YAML may change.
    ``weighs``: a YAML may give it ``weights`` too, experiment → arm → weight."""

    name: str
    question: str
    look: Callable[[Case, Limits], list[Symptom]]
    limits: Limits = MappingProxyType({})
    weighs: bool = False

    @property
    def description(self) -> str:
        """How it judges, by its limits: the docstring of ``look``, or of its module where that has one detector."""
        return inspect.getdoc(self.look) or inspect.getdoc(inspect.getmodule(self.look)) or ""


CONFIDENCE = 0.99


def graded(n: int, of: int, limits: Limits, word: str = "") -> Severity | None:
    """How bad ``n`` of ``of`` rows are by ``limits`` named ``warning`` and ``serious``; None where they are none, or
    their share is under both. Serious is a share of which chance leaves no doubt: the lower bound of 99 % reaches the
    limit, so that one row of a few is no more than a warning. With a ``word`` the limits are named ``<word>_warning``
    and ``<word>_serious``."""
    prefix = f"{word}_" if word else ""
    warning, serious = limits[f"{prefix}warning"], limits[f"{prefix}serious"]
    if not n or n / of < min(warning, serious):
        return None
    if n / of >= serious and _least(min(n, of), of) >= serious:
        return "serious"
    return "warning"


def _least(n: int, of: int) -> float:
    """The lower bound of the share that ``n`` of ``of`` are a sample of (Clopper and Pearson, 1934)."""
    from scipy.special import betaincinv

    return float(betaincinv(n, of - n + 1, 1 - CONFIDENCE))

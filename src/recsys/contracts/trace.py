"""``trace.v1``: everything that logs say of one request: what was shown, to whom, under which versions, what happened
to each item, and what became of every row that carries the request's id.

A trace holds rows of the logs, with their pseudonyms: share it as you would share the logs.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from msgspec import Struct, field

from recsys.contracts.config import Weights
from recsys.contracts.report import KnownGap


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all parts of a trace share."""


class Place(_Part, frozen=True, kw_only=True):
    """Where a row stands: its file, and its line there (of Parquet the row), from 1."""

    file: str
    line: int


class ItemEvent(_Part, frozen=True, kw_only=True):
    """What happened to an item: ``delay_s`` seconds after its list was shown (negative: before). ``counted``: whether
    it is attributed; ``fate`` says why not. ``inferred``: an orphan that a fallback credits to this list, shared among
    ``shared`` lists."""

    event_type: str
    ts: datetime
    delay_s: float
    value: float | None
    fate: str
    counted: bool
    inferred: bool
    shared: int = 1
    at: Place


class ShownItem(_Part, frozen=True, kw_only=True):
    """An item of a list, as it was logged; ``score`` is known to logs of ``service_v1``. ``more_events``: how many more
    than those listed."""

    rank: int
    item_id: str
    score: float | None = None
    propensity: float | None = None
    logging_propensity: float | None = None
    target_propensity: float | None = None
    events: list[ItemEvent] = field(default_factory=list)
    more_events: int = 0


class ShownList(_Part, frozen=True, kw_only=True):
    """One exposure row. ``standing``: it ``counts``, or is a ``redelivery`` of one that does, or is ``ambiguous``: one
    of several lists under this id, of which none attracts anything. ``odd``: what is unusual in the list."""

    at: Place
    format: Literal["exposure.v1", "service_v1"]
    standing: Literal["counts", "redelivery", "ambiguous"]
    ts: datetime
    user_id: str
    anonymous: bool
    latency_ms: float | None
    error: bool
    context: dict[str, str]
    odd: list[str]
    items: list[ShownItem]


class Assigned(_Part, frozen=True, kw_only=True):
    """One assignment row of the request."""

    at: Place
    variant: str
    ts: datetime
    user_id: str


class TracedExperiment(_Part, frozen=True, kw_only=True):
    """An experiment of the request: the variants in the contexts of its lists, and its assignment rows. ``agree`` is
    null where only one of the two says anything; ``note`` says it in words."""

    experiment_id: str
    shown: list[str]
    assigned: list[Assigned]
    agree: bool | None
    note: str


class TracedRow(_Part, frozen=True, kw_only=True):
    """A row that carries the request's id, and its fate: of outcomes one of the join's; of exposures ``shown``,
    ``redelivered`` or ``ambiguous``; of assignments ``assigned``; ``invalid`` in all of them. Of an invalid row only
    its place and what is wrong with it are told."""

    log: Literal["exposures", "outcomes", "assignments"]
    at: Place
    fate: str
    reason: str
    ts: datetime | None = None
    user_id: str | None = None
    item_id: str | None = None
    event_type: str | None = None
    value: float | None = None
    event_id: str | None = None


class Neighbour(_Part, frozen=True, kw_only=True):
    """Something else of the same subject, ``offset_s`` seconds after the request. ``same_items``: a list of the same
    items; ``shows``: what it showed of the items of this request's outcomes that found no place in a list;
    ``rank_here``: the rank of an outcome's item in the traced list."""

    log: Literal["exposures", "outcomes"]
    at: Place
    ts: datetime
    offset_s: float
    request_id: str
    surface: str | None = None
    items: int | None = None
    same_items: bool = False
    shows: list[str] = field(default_factory=list)
    event_type: str | None = None
    item_id: str | None = None
    value: float | None = None
    rank_here: int | None = None


class Around(_Part, frozen=True, kw_only=True):
    """What else the subject did from ``since`` to ``until``, in order of time. ``more_…``: how many more rows than
    those listed, the nearest ones; ``invalid``: rows of the subject that are not valid."""

    user_ids: list[str]
    since: datetime
    until: datetime
    rows: list[Neighbour]
    more_exposures: int = 0
    more_outcomes: int = 0
    invalid: int = 0


class AppliedVersion(_Part, frozen=True, kw_only=True):
    """A version that the exposure names, as the snapshot has it: in full, and as a unified diff to the current one.
    ``document`` is null where the snapshot does not know it; ``note`` says so."""

    name: str | None
    current: str | None
    created_at: datetime | None
    document: dict[str, Any] | None
    diff: list[str]
    note: str


class Layer(_Part, frozen=True, kw_only=True):
    """Weights that lie over those before them."""

    name: str
    weights: Weights


class Applied(_Part, frozen=True, kw_only=True):
    """What the lists were ranked by. ``layers``: the weights that applied to this surface and variant, the lowest
    first; ``weights``: what comes of them; ``weights_now``: what would come of the current version. Weights that the
    request itself asked for are in no log. ``notes``: what could not be told, and why."""

    file: str
    tenant_id: str
    exported_at: datetime
    config: AppliedVersion
    rules: AppliedVersion
    layers: list[Layer]
    weights: Weights | None
    weights_now: Weights | None
    notes: list[str]


class NearId(_Part, frozen=True, kw_only=True):
    """A request_id of the logs that resembles the one asked for."""

    request_id: str
    difference: str


class Trace(_Part, frozen=True, kw_only=True):
    """``trace.v1``. ``status``: ``found`` where a valid exposure has the id, ``no_exposure`` where only other rows have
    it, ``unknown`` where none has. ``more_rows``: how many rows were left out of ``rows``, by log and fate. ``checks``:
    what to look at where there is no exposure."""

    schema_version: Literal["trace.v1"] = "trace.v1"
    created_at: datetime
    version: str
    request_id: str
    status: Literal["found", "no_exposure", "unknown"]
    headline: str
    policy: dict[str, Any]
    inputs: dict[str, list[str]]
    """Role → the files that were searched."""
    lists: list[ShownList] = field(default_factory=list)
    experiments: list[TracedExperiment] = field(default_factory=list)
    rows: list[TracedRow] = field(default_factory=list)
    more_rows: dict[str, int] = field(default_factory=dict)
    around: Around | None = None
    applied: Applied | None = None
    near: list[NearId] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    gaps: list[KnownGap] = field(default_factory=list)
    """Records that the logs say they lost, at the time of the request; without an exposure all of them."""

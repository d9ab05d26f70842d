"""Event records: what was shown, what people did, who was in which variant. One JSON object a line.

Optional fields are absent, never null. Unknown fields are refused, also inside items.
Rules of evolution: new fields have defaults; anything else is a new version.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from recsys.contracts.types import Id, NonNegative, Number, Probability, Rank, Timestamp

Context = dict[str, str]
EventType = Literal["click", "conversion"]


class _Record(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What all event records share: immutable, closed, absent fields left out."""


class Item(_Record, frozen=True, kw_only=True):
    """One impression: an item at a 1-based rank, with the probabilities of showing it there where known."""

    item_id: Id
    rank: Rank
    propensity: Probability | UnsetType = UNSET
    logging_propensity: Probability | UnsetType = UNSET
    target_propensity: Probability | UnsetType = UNSET


class Exposure(_Record, frozen=True, kw_only=True):
    """``exposure.v1``: one ranked list shown for one request. ``latency_ms`` is in milliseconds."""

    request_id: Id
    user_id: Id
    ts: Timestamp
    items: list[Item]
    context: Context | UnsetType = UNSET
    latency_ms: NonNegative | UnsetType = UNSET
    error: bool | UnsetType = UNSET


class Outcome(_Record, frozen=True, kw_only=True):
    """``outcome.v1``: a click or a conversion. ``value`` is in the product's currency unit."""

    request_id: Id
    user_id: Id
    item_id: Id
    event_type: EventType
    ts: Timestamp
    value: Number | UnsetType = UNSET
    event_id: Id | UnsetType = UNSET
    context: Context | UnsetType = UNSET


class Assignment(_Record, frozen=True, kw_only=True):
    """``assignment.v1``: the experiment variant that a request of a subject was served with."""

    experiment_id: Id
    variant: Id
    request_id: Id
    user_id: Id
    ts: Timestamp
    context: Context | UnsetType = UNSET


class RankList(_Record, frozen=True, kw_only=True):
    """``ranklist.v1``: a ranker's list, for interleaving."""

    request_id: Id
    user_id: Id
    ts: Timestamp
    items: list[Id]
    context: Context | UnsetType = UNSET


class ServiceItem(_Record, frozen=True, kw_only=True):
    """An item of ``service_v1``: ``score`` is always written, also when it is 0."""

    item_id: Id
    rank: Rank
    score: Number
    propensity: Probability | UnsetType = UNSET


class ExperimentRef(_Record, frozen=True, kw_only=True):
    """The experiment and the variant a request was served with."""

    id: Id
    variant: Id | UnsetType = UNSET


class SubjectHashes(_Record, frozen=True, kw_only=True):
    """Pseudonyms of the identifiers that came with a request (64 hex digits each)."""

    user_id_hash: Id | UnsetType = UNSET
    anonymous_id_hash: Id | UnsetType = UNSET
    session_id_hash: Id | UnsetType = UNSET


class RequestContext(_Record, frozen=True, kw_only=True):
    """What the client said of the situation of the request."""

    locale: str | UnsetType = UNSET
    device: str | UnsetType = UNSET
    country: str | UnsetType = UNSET
    now: str | UnsetType = UNSET


class ServiceExposure(_Record, frozen=True, kw_only=True):
    """``service_v1``: the exposure as the service saw it, for audit (``recsys-eval convert`` reads it)."""

    schema_version: Literal["v1"]
    timestamp: Timestamp
    request_id: Id
    tenant_id: str
    surface: str
    items: list[ServiceItem]
    segment: str | UnsetType = UNSET
    algo_version: str | UnsetType = UNSET
    config_version: str | UnsetType = UNSET
    rules_version: str | UnsetType = UNSET
    manifest_version: str | UnsetType = UNSET
    release: str | UnsetType = UNSET
    experiment: ExperimentRef | UnsetType = UNSET
    subject: SubjectHashes | UnsetType = UNSET
    context: RequestContext | UnsetType = UNSET
    latency_ms: NonNegative | UnsetType = UNSET
    error: bool | UnsetType = UNSET


RECORDS: dict[str, type[msgspec.Struct]] = {
    "exposure.v1": Exposure,
    "outcome.v1": Outcome,
    "assignment.v1": Assignment,
    "ranklist.v1": RankList,
    "service_v1": ServiceExposure,
}
"""Every record type by the name of its schema."""

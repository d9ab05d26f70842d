"""The bodies of the HTTP API. Decoding checks types and unknown keys (400); limits and meaning are checked after (422).

The limits stand in the schemas, so that the OpenAPI document tells them, and in ``service.asked``, which
enforces them with a message of its own for each.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from recsys.contracts.config import MAX_WEIGHT

DEFAULT_K, MAX_K = 20, 200
DEFAULT_SEGMENT = "default"
MAX_SURFACE = 128
MAX_ANCHORS = 50
MAX_CANDIDATES = 5000
MAX_TAGS = 200
MAX_OUTCOMES = 1000
MAX_SUBJECT = 512
MAX_WORD = 128

Surface = Annotated[
    str,
    Meta(
        description="A place in the product: a safe path segment, without / and \\.",
        extra_json_schema={"minLength": 1, "maxLength": MAX_SURFACE},
    ),
]
Segment = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": MAX_SURFACE})]
Word = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": MAX_WORD})]
SubjectId = Annotated[str, Meta(extra_json_schema={"maxLength": MAX_SUBJECT})]
K = Annotated[int, Meta(description="How many items.", extra_json_schema={"minimum": 1, "maximum": MAX_K})]
Tags = Annotated[list[str], Meta(extra_json_schema={"maxItems": MAX_TAGS})]
ItemIds = Annotated[list[str], Meta(extra_json_schema={"maxItems": MAX_CANDIDATES})]
Weight = Annotated[float, Meta(extra_json_schema={"minimum": 0, "maximum": MAX_WEIGHT})]


class _Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What request bodies share: closed; absent and null mean the same."""


class User(_Body, frozen=True, kw_only=True):
    """The subject of a request, raw: at least one id. Only pseudonyms of them are ever kept."""

    user_id: SubjectId | None = None
    anonymous_id: SubjectId | None = None
    session_id: SubjectId | None = None


class RequestContext(_Body, frozen=True, kw_only=True):
    """The situation of the request. ``now`` (RFC 3339) sets the clock of windows and decay."""

    locale: Word | None = None
    device: Word | None = None
    country: Word | None = None
    now: Annotated[str, Meta(extra_json_schema={"format": "date-time"})] | None = None


class Anchors(_Body, frozen=True, kw_only=True):
    """Items that the subject looks at now; at most ``max_anchors`` of them are used, the first ones."""

    item_ids: Annotated[list[str], Meta(extra_json_schema={"maxItems": MAX_ANCHORS})] = field(default_factory=list)
    max_anchors: Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": MAX_ANCHORS})] | None = None


class Candidates(_Body, frozen=True, kw_only=True):
    """``include_ids`` is an allow-list that the ranking fills to k when it can; ``exclude_ids`` are never shown."""

    include_ids: ItemIds | None = None
    exclude_ids: ItemIds = field(default_factory=list)


class Constraints(_Body, frozen=True, kw_only=True):
    """``required_tags``: at least one of them; ``forbidden_tags``: none of them; ``max_per_tag``: at most so many items
    of a tag. Tags are compared without regard to case."""

    required_tags: Tags = field(default_factory=list)
    forbidden_tags: Tags = field(default_factory=list)
    max_per_tag: dict[str, Annotated[int, Meta(extra_json_schema={"minimum": 1})]] = field(default_factory=dict)


class Weights(_Body, frozen=True, kw_only=True):
    """How much each signal counts, in place of the tenant's weights."""

    pop: Weight | None = None
    cooc: Weight | None = None
    emb: Weight | None = None


class Options(_Body, frozen=True, kw_only=True):
    """``include_reasons`` names the signals behind each item. ``explain`` and ``seed`` have no effect yet."""

    include_reasons: bool = False
    explain: Literal["none", "summary", "full"] = "none"
    seed: int | None = None


class ExperimentChoice(_Body, frozen=True, kw_only=True):
    """The experiment of the request; without a variant the service assigns one."""

    id: Word
    variant: Word | None = None


class RecommendRequest(_Body, frozen=True, kw_only=True):
    """``POST /v1/recommend``."""

    surface: Surface
    segment: Segment | None = None
    k: K | None = None
    user: User = field(default_factory=User)
    context: RequestContext = field(default_factory=RequestContext)
    anchors: Anchors = field(default_factory=Anchors)
    candidates: Candidates = field(default_factory=Candidates)
    constraints: Constraints = field(default_factory=Constraints)
    weights: Weights = field(default_factory=Weights)
    options: Options = field(default_factory=Options)
    experiment: ExperimentChoice | None = None


class SimilarRequest(_Body, frozen=True, kw_only=True):
    """``POST /v1/similar``: items like ``item_id``, which is itself left out."""

    surface: Surface
    item_id: Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": MAX_SUBJECT})]
    segment: Segment | None = None
    k: K | None = None
    user: User = field(default_factory=User)
    context: RequestContext = field(default_factory=RequestContext)
    constraints: Constraints = field(default_factory=Constraints)
    options: Options = field(default_factory=Options)


class _Answer(Struct, frozen=True, kw_only=True):
    """What answers share: optional fields are left out."""


class RankedItem(_Answer, frozen=True, kw_only=True):
    """An item of an answer, best first."""

    item_id: str
    rank: int
    score: float
    reasons: list[str] | UnsetType = UNSET


class VariantRef(_Answer, frozen=True, kw_only=True):
    """The experiment and variant that the list was ranked under."""

    id: str
    variant: str


class Counts(_Answer, frozen=True, kw_only=True):
    """Items that were considered, those that filters took out, and those returned."""

    candidates: int
    filtered: int
    returned: int


class ExposureState(_Answer, frozen=True, kw_only=True):
    """Whether the exposure is in the log, and whether it was flushed to the disk before this answer."""

    logged: bool
    durable: bool


class AnswerMeta(_Answer, frozen=True, kw_only=True):
    """What the list was made of. ``release`` names configuration, signals and code together."""

    tenant_id: str
    surface: str
    segment: str
    algo_version: str
    config_version: str
    rules_version: str
    manifest_version: str | UnsetType = UNSET
    release: str
    request_id: str
    experiment: VariantRef | UnsetType = UNSET
    counts: Counts
    timings_ms: dict[str, float]
    exposure: ExposureState


class Notice(_Answer, frozen=True, kw_only=True):
    """Something that the caller should know, with a stable code."""

    code: str
    detail: str


NOTICES = {
    "CANDIDATES_INCLUDE_EMPTY": "None of `include_ids` can be recommended; the list is empty.",
    "CANDIDATES_INCLUDE_FILTERED": "Some of `include_ids` are unknown, excluded or filtered.",
    "CONSTRAINTS_FILTERED": "Tags, or `max_per_tag`, left candidates out; the detail counts them.",
    "DEFAULT_APPLIED": "A field that was absent took its default, or one has no effect yet; the detail names it.",
    "EXPOSURE_NOT_LOGGED": "The list was served, but its exposure or its assignment could not be logged.",
    "SIGNAL_PARTIAL": "A signal knows a part of what it was asked about, such as some of the anchors.",
    "SIGNAL_UNAVAILABLE": "A signal has a weight, but nothing to say; the others alone made the list.",
    "STALE_SNAPSHOT": "The last refresh failed: the list is made of the data that was read before.",
}
"""The codes of warnings, and what they say. The list was served all the same."""


class RecommendResponse(_Answer, frozen=True, kw_only=True):
    """The answer of ``/v1/recommend`` and ``/v1/similar``."""

    items: list[RankedItem]
    meta: AnswerMeta
    warnings: list[Notice]


class ValidateResponse(_Answer, frozen=True, kw_only=True):
    """The answer of ``/v1/recommend/validate``: the request as the service understands it. Nothing was ranked."""

    tenant_id: str
    request: dict[str, Any]
    warnings: list[Notice]


RawOutcome = Annotated[Raw, Meta(extra_json_schema={"$ref": "#/components/schemas/Outcome"})]
"""An event of a batch, decoded on its own, so that a bad one is told alone; the document names its type."""


class OutcomeBatch(_Body, frozen=True, kw_only=True):
    """``POST /v1/outcomes``: many outcomes. One outcome may also be sent as it is."""

    outcomes: Annotated[list[RawOutcome], Meta(extra_json_schema={"minItems": 1, "maxItems": MAX_OUTCOMES})]


class OutcomeResult(_Answer, frozen=True, kw_only=True):
    """What became of one outcome. ``error`` says why it was rejected."""

    index: int
    status: Literal["accepted", "duplicate", "rejected"]
    error: str | UnsetType = UNSET


class OutcomesResponse(_Answer, frozen=True, kw_only=True):
    """The answer of ``/v1/outcomes``, one result for each event, in order."""

    results: list[OutcomeResult]


class Problem(_Answer, frozen=True, kw_only=True):
    """An error, as ``application/problem+json`` (RFC 9457). ``code`` is stable."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str


PROBLEMS = {
    "RECSYS_AUTH_INVALID": "401: the API key is unknown or revoked, or there are two. Send one key of the tenant.",
    "RECSYS_AUTH_REQUIRED": "401: no credential came. Send `X-API-Key`.",
    "RECSYS_EXPOSURE_NOT_LOGGED": "503: the exposure could not be logged, so no list is shown. Try again later.",
    "RECSYS_FORBIDDEN": "403: the key may not do this; a browser key may only write outcomes.",
    "RECSYS_INTERNAL": "500, or 503 where it may pass: the service failed; its log says why, under the `request_id`.",
    "RECSYS_INVALID_REQUEST": "400, 404, 405, 413, 415: it cannot be read: its JSON, fields, path, method or size.",
    "RECSYS_OVERLOADED": "503: the tenant is being loaded, or a log waits for its disk. Try after `Retry-After`.",
    "RECSYS_RATE_LIMITED": "429: kept for rate limits; this version has none.",
    "RECSYS_TENANT_NOT_FOUND": "404: there is no such tenant.",
    "RECSYS_TENANT_SCOPE_MISMATCH": "403: `X-Org-Id` names another tenant than the credential.",
    "RECSYS_TENANT_SCOPE_REQUIRED": "403: development headers came without a tenant. Send `X-Dev-Org-Id`.",
    "RECSYS_UNPROCESSABLE_ENTITY": "422: a value cannot be used; the detail names its field and what was expected.",
}
"""The codes of problems, with their statuses, and what to do about them."""


class Health(_Answer, frozen=True, kw_only=True):
    """The answer of ``/livez`` and ``/readyz``. ``reasons`` say what is missing."""

    status: Literal["ok", "unavailable"]
    reasons: list[str] | UnsetType = UNSET


class TenantHealth(_Answer, frozen=True, kw_only=True):
    """What one tenant is served from; ``age_s``: seconds since the snapshot was built."""

    tenant_id: str
    release: str
    revision: int
    items: int
    events: int
    age_s: float


class LogHealth(_Answer, frozen=True, kw_only=True):
    """One log of the process that answered. ``waiting``: lines that wait for the disk."""

    log: str
    enabled: bool
    writable: bool
    waiting: int


class DetailedHealth(_Answer, frozen=True, kw_only=True):
    """The answer of ``/health/detailed``, of the worker that gave it and the caller's tenant."""

    status: Literal["ok", "unavailable"]
    reasons: list[str]
    version: str
    uptime_s: float
    tenant: TenantHealth | UnsetType = UNSET
    logs: list[LogHealth]

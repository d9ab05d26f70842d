"""What was asked, with limits checked and defaults filled in: the one form in which a request goes on.

Types were checked by decoding. What is checked here is meaning, and each refusal (422) names the field.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import UNSET, Struct, field

from recsys.contracts import api
from recsys.contracts.api import Notice, RecommendRequest, SimilarRequest
from recsys.contracts.config import MAX_WEIGHT, TenantConfig, Weights
from recsys.contracts.types import TIMESTAMP_PATTERN
from recsys.errors import RequestError

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TIMESTAMP = re.compile(TIMESTAMP_PATTERN.removesuffix("$") + r"\Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RawSubject(Struct, frozen=True, kw_only=True):
    """The subject's identifiers as they came, trimmed. They stay in memory, for as long as the request lives, and are
    not printed."""

    user: str | None = None
    anonymous: str | None = None
    session: str | None = None

    @property
    def first(self) -> str | None:
        """The one that experiments are assigned by: user, else anonymous, else session."""
        return self.user or self.anonymous or self.session

    def __repr__(self) -> str:
        return "RawSubject(…)"


class Asked(Struct, frozen=True, kw_only=True):
    """A request for a list. ``item_id`` is set for similar items. ``weights`` are the request's own, as far as given.

    ``experiment``: (id, variant or None).
    """

    surface: str
    segment: str
    k: int
    subject: RawSubject
    context: api.RequestContext
    now_us: int | None
    anchors: Sequence[str] = ()
    max_anchors: int | None = None
    include: Sequence[str] | None = None
    exclude: Sequence[str] = ()
    constraints: api.Constraints = field(default_factory=api.Constraints)
    weights: Weights = field(default_factory=Weights)
    include_reasons: bool = False
    experiment: tuple[str, str | None] | None = None
    item_id: str | None = None
    notices: tuple[Notice, ...] = ()


def recommend(request: RecommendRequest, config: TenantConfig) -> Asked:
    """A checked ``/v1/recommend``; RequestError (422) names the field that cannot be used."""
    subject = _subject(request.user)
    if subject.first is None:
        raise unusable("user", "no identifier", "user_id, anonymous_id or session_id, not blank")
    surface, segment, k, notices = _common(request, config)
    include = request.candidates.include_ids
    _at_most(include or [], api.MAX_CANDIDATES, "candidates.include_ids")
    _at_most(request.candidates.exclude_ids, api.MAX_CANDIDATES, "candidates.exclude_ids")
    _at_most(request.anchors.item_ids, api.MAX_ANCHORS, "anchors.item_ids")
    if request.anchors.max_anchors is not None:
        _between(request.anchors.max_anchors, 1, api.MAX_ANCHORS, "anchors.max_anchors")
    weights, unavailable = _weights(request.weights)
    return Asked(
        surface=surface,
        segment=segment,
        k=k,
        subject=subject,
        context=request.context,
        now_us=_now(request.context),
        anchors=request.anchors.item_ids,
        max_anchors=request.anchors.max_anchors,
        include=include,
        exclude=request.candidates.exclude_ids,
        constraints=request.constraints,
        weights=weights,
        include_reasons=request.options.include_reasons,
        experiment=_experiment(request.experiment),
        notices=(*notices, *unavailable),
    )


def similar(request: SimilarRequest, config: TenantConfig) -> Asked:
    """A checked ``/v1/similar``; RequestError (422) names the field that cannot be used."""
    surface, segment, k, notices = _common(request, config)
    _word(request.item_id, "item_id", longest=api.MAX_SUBJECT)
    return Asked(
        surface=surface,
        segment=segment,
        k=k,
        subject=_subject(request.user),
        context=request.context,
        now_us=_now(request.context),
        constraints=request.constraints,
        include_reasons=request.options.include_reasons,
        item_id=request.item_id,
        notices=tuple(notices),
    )


def unusable(path: str, found: str, expected: str) -> RequestError:
    """The refusal (422) of a field whose type is right and whose value is not."""
    return RequestError(422, "RECSYS_UNPROCESSABLE_ENTITY", f"found {found}, expected {expected}", where=f"$.{path}")


def as_document(asked: Asked, weights: Weights) -> dict[str, Any]:
    """The request as the service understands it, raw identifiers left out: which kinds of them came is said."""
    kinds = {
        "user_id": asked.subject.user,
        "anonymous_id": asked.subject.anonymous,
        "session_id": asked.subject.session,
    }
    document: dict[str, Any] = {
        "surface": asked.surface,
        "segment": asked.segment,
        "k": asked.k,
        "user": {name: "given" for name, value in kinds.items() if value},
        "context": asked.context,
        "anchors": {"item_ids": list(asked.anchors), "max_anchors": asked.max_anchors},
        "candidates": {"include_ids": asked.include, "exclude_ids": list(asked.exclude)},
        "constraints": {
            "required_tags": asked.constraints.required_tags,
            "forbidden_tags": asked.constraints.forbidden_tags,
            "max_per_tag": asked.constraints.max_per_tag,
        },
        "weights": {"pop": weights.pop, "cooc": weights.cooc, "emb": weights.emb},
        "options": {"include_reasons": asked.include_reasons},
    }
    if asked.experiment is not None:
        document["experiment"] = {"id": asked.experiment[0], "variant": asked.experiment[1]}
    return document


def _common(request: RecommendRequest | SimilarRequest, config: TenantConfig) -> tuple[str, str, int, list[Notice]]:
    """Surface, segment and k with their defaults, and what is to be said of defaults and of options without effect."""
    notices = []
    surface = _surface(request.surface)
    segment = request.segment
    if segment is None:
        segment = api.DEFAULT_SEGMENT
        notices.append(Notice(code="DEFAULT_APPLIED", detail=f"segment: {segment}"))
    _word(segment, "segment", longest=api.MAX_SURFACE)
    k = request.k
    if k is None:
        k = min(api.DEFAULT_K, config.limits.max_k)
        notices.append(Notice(code="DEFAULT_APPLIED", detail=f"k: {k}"))
    _between(k, 1, config.limits.max_k, "k")
    _check_constraints(request.constraints)
    for name in ("locale", "device", "country"):
        if (value := getattr(request.context, name)) is not None:
            _word(value, f"context.{name}", longest=api.MAX_WORD)
    if request.options.explain != "none":
        raise unusable("options.explain", request.options.explain, "none: explanations are not available yet")
    if request.options.seed is not None:
        detail = "options.seed has no effect: nothing is drawn at random in this version"
        notices.append(Notice(code="DEFAULT_APPLIED", detail=detail))
    return surface, segment, k, notices


def _surface(value: str) -> str:
    _word(value, "surface", longest=api.MAX_SURFACE)
    if value in {".", ".."} or "/" in value or "\\" in value:
        raise unusable("surface", repr(value), "a safe path segment: no / or \\, not . or ..")
    return value


def _subject(user: api.User) -> RawSubject:
    def given(value: str | None, name: str) -> str | None:
        trimmed = (value or "").strip()
        if len(trimmed) > api.MAX_SUBJECT:
            raise unusable(f"user.{name}", f"{len(trimmed)} characters", f"at most {api.MAX_SUBJECT}")
        return trimmed or None

    return RawSubject(
        user=given(user.user_id, "user_id"),
        anonymous=given(user.anonymous_id, "anonymous_id"),
        session=given(user.session_id, "session_id"),
    )


def _check_constraints(constraints: api.Constraints) -> None:
    _at_most(constraints.required_tags, api.MAX_TAGS, "constraints.required_tags")
    _at_most(constraints.forbidden_tags, api.MAX_TAGS, "constraints.forbidden_tags")
    if len(constraints.max_per_tag) > api.MAX_TAGS:
        raise unusable("constraints.max_per_tag", f"{len(constraints.max_per_tag)} tags", f"at most {api.MAX_TAGS}")
    for tag, most in constraints.max_per_tag.items():
        if most < 1:
            raise unusable(f"constraints.max_per_tag.{tag[:40]}", str(most), "1 or more")


def _weights(given: api.Weights) -> tuple[Weights, list[Notice]]:
    notices = []
    for name in ("pop", "cooc", "emb"):
        value = getattr(given, name)
        if value is not None and not 0 <= value <= MAX_WEIGHT:
            raise unusable(f"weights.{name}", f"{value:g}", f"a number from 0 to {MAX_WEIGHT:g}")
    if given.emb:
        notices.append(
            Notice(code="SIGNAL_UNAVAILABLE", detail="weights.emb: there are no embeddings in this version; taken as 0")
        )
    return Weights(
        pop=UNSET if given.pop is None else given.pop,
        cooc=UNSET if given.cooc is None else given.cooc,
        emb=UNSET if given.emb is None else 0.0,
    ), notices


def _experiment(given: api.ExperimentChoice | None) -> tuple[str, str | None] | None:
    if given is None:
        return None
    _word(given.id, "experiment.id", longest=api.MAX_WORD)
    if given.variant is not None:
        _word(given.variant, "experiment.variant", longest=api.MAX_WORD)
    return given.id, given.variant


def _now(context: api.RequestContext) -> int | None:
    if context.now is None:
        return None
    if not _TIMESTAMP.match(context.now):
        raise unusable("context.now", repr(context.now[:40]), "RFC 3339 with an offset, such as 2026-02-05T10:00:00Z")
    delta = datetime.fromisoformat(context.now.upper().replace("Z", "+00:00")) - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def _word(value: str, path: str, *, longest: int) -> None:
    """A text that may stand in a log: not blank, bounded, without control characters."""
    if not value.strip() or len(value) > longest:
        raise unusable(path, f"{len(value)} characters", f"1 to {longest}, not blank")
    if _CONTROL.search(value):
        raise unusable(path, "a control character", "text without control characters")


def _at_most(values: Sequence[str], limit: int, path: str) -> None:
    if len(values) > limit:
        raise unusable(path, f"{len(values)} entries", f"at most {limit}")


def _between(value: int, low: int, high: int, path: str) -> None:
    if not low <= value <= high:
        raise unusable(path, str(value), f"{low} to {high}")

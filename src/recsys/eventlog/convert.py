"""From ``service_v1``, the service's own audit record, to ``exposure.v1``, what evaluation reads.

The service writes ``eval_v1`` logs with this same function, so a converted audit log and a log written for evaluation
hold the same lines.
"""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from recsys.contracts.events import Exposure, Item, ServiceExposure, SubjectHashes

ANONYMOUS = "anonymous"
VERSIONS = ("segment", "algo_version", "config_version", "rules_version", "manifest_version", "release")
SITUATION = ("locale", "device", "country", "now")


def to_exposure_v1(record: ServiceExposure) -> Exposure:
    """The ``exposure.v1`` of the same request.

    ``user_id`` is the first known pseudonym of user, anonymous and session id; without any it is the request id, and
    the context says ``anonymous: "true"``. The context holds every well-known key that the record knows.
    """
    user_id = _subject(record.subject)
    return Exposure(
        request_id=record.request_id,
        user_id=user_id or record.request_id,
        ts=record.timestamp,
        items=[Item(item_id=item.item_id, rank=item.rank, propensity=item.propensity) for item in record.items],
        context=_context(record, anonymous=user_id is None),
        latency_ms=record.latency_ms,
        error=record.error,
    )


def _subject(subject: SubjectHashes | UnsetType) -> str | None:
    if subject is UNSET:
        return None
    for known in (subject.user_id_hash, subject.anonymous_id_hash, subject.session_id_hash):
        if known is not UNSET:
            return known
    return None


def _context(record: ServiceExposure, *, anonymous: bool) -> dict[str, str]:
    context = {"tenant_id": record.tenant_id, "surface": record.surface}
    for key in VERSIONS:
        if (value := getattr(record, key)) is not UNSET:
            context[key] = value
    if record.experiment is not UNSET:
        context["experiment_id"] = record.experiment.id
        if record.experiment.variant is not UNSET:
            context["experiment_variant"] = record.experiment.variant
    if record.context is not UNSET:
        for key in SITUATION:
            if (value := getattr(record.context, key)) is not UNSET:
                context[key] = value
    if anonymous:
        context[ANONYMOUS] = "true"
    return context

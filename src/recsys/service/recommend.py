"""One answer: assign, rank, log, reply. The exposure is written before anybody sees the list."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import UNSET

from recsys.contracts.api import (
    AnswerMeta,
    Counts,
    ExposureState,
    Notice,
    RankedItem,
    RecommendResponse,
    VariantRef,
)
from recsys.contracts.config import Experiment, Variant
from recsys.contracts.config import Weights as ConfigWeights
from recsys.errors import RequestError, StorageError, nearest
from recsys.eventlog.pseudonym import pseudonym
from recsys.ranking import engine
from recsys.ranking.assignment import assign, in_traffic
from recsys.ranking.engine import Query, Ranking
from recsys.ranking.scoring import Weights
from recsys.service.aliases import Aliases
from recsys.service.asked import Asked, RawSubject, unusable
from recsys.service.logs import Listed, Logs, Served, Subject
from recsys.service.tenants import Tenant

CodeAndDetail = tuple[str, str]


@dataclass(frozen=True)
class Assignments:
    """How experiments are assigned: the salt, whether at all, and the variants of experiments without configuration."""

    salt: bytes = field(repr=False)
    enabled: bool = False
    default_variants: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chosen:
    """The experiment that an answer is ranked under; ``weights`` are the variant's own."""

    name: str
    variant: str
    weights: ConfigWeights | None = None


class Recommender:
    """Answers requests from a tenant's snapshot. ``salt`` is that of the pseudonyms, ``previous_salt`` the one before
    it, where logs of both are to be joined."""

    def __init__(
        self, logs: Logs, salt: bytes, assignments: Assignments, *, previous_salt: bytes | None = None
    ) -> None:
        self._logs = logs
        self._salt = salt
        self._assignments = assignments
        self._aliases = Aliases(logs.exposure, previous_salt)

    async def answer(self, asked: Asked, tenant: Tenant, request_id: str, started: float) -> RecommendResponse:
        """The list for ``asked``, logged. ``started``: ``time.perf_counter()`` at receipt."""
        chosen = self.choose_variant(asked, tenant)
        served = self._served(asked, tenant, request_id, chosen)
        before = time.perf_counter()
        try:
            ranking = tenant.snapshot.rank(self._query(asked, tenant, chosen, served.subject))
        except Exception:  # the request was admitted: it counts, as an error, also in the figures of its variant
            with contextlib.suppress(RequestError):  # the answer is an error already
                await self._log(served, Listed([], _ms(before, started), error=True))
            raise
        ranked = time.perf_counter()
        items = [(item.item_id, item.score) for item in ranking.items]
        state, notice = await self._log(served, Listed(items, _ms(ranked, started)))
        timings = {
            "rank": _ms(ranked, before),
            "log": _ms(time.perf_counter(), ranked),
            "total": _ms(time.perf_counter(), started),
        }
        return _response(asked, tenant, served, ranking, timings, state, notice)

    def choose_variant(self, asked: Asked, tenant: Tenant) -> Chosen | None:
        """The experiment and variant of the request; RequestError (422) where it names one that does not exist."""
        if asked.experiment is None:
            return None
        name, variant = asked.experiment
        configured = tenant.snapshot.config.experiments.get(name)
        variants = configured.variants if configured is not None else dict.fromkeys(self._assignments.default_variants)
        if variant is not None:
            if configured is not None and variant not in variants:
                raise unusable("experiment.variant", repr(variant), f"one of {', '.join(variants)}")
            return _chosen(name, variant, variants)
        if not variants:
            known = tuple(tenant.snapshot.config.experiments)
            told = nearest(name, known) if known else "No experiment is configured."
            raise unusable("experiment.id", repr(name), f"a configured experiment. {told}")
        if not self._assignments.enabled:
            expected = "a variant, for EXPERIMENT_ASSIGNMENT_ENABLED is not set"
            raise unusable("experiment.variant", "none", expected)
        return self._assigned(asked.subject, name, configured, variants)

    def _assigned(
        self, subject: RawSubject, name: str, configured: Experiment | None, variants: Mapping[str, Variant | None]
    ) -> Chosen | None:
        salt, first = self._assignments.salt, subject.first or ""
        if configured is not None and not in_traffic(salt, name, first, configured.traffic_percent):
            return None
        shares = [(arm, 1 if given is None else given.weight) for arm, given in variants.items()]
        return _chosen(name, assign(salt, name, first, shares), variants)

    def pseudonyms(self, subject: RawSubject) -> Subject:
        """What the logs know a subject by."""

        def of(identifier: str | None) -> str | None:
            if identifier is None:
                return None
            found = pseudonym(self._salt, identifier)
            self._aliases.note(identifier, found)
            return found

        return Subject(of(subject.user), of(subject.anonymous), of(subject.session))

    def _query(self, asked: Asked, tenant: Tenant, chosen: Chosen | None, subject: Subject) -> Query:
        shared = {
            "now_us": asked.now_us,
            "required_tags": asked.constraints.required_tags,
            "forbidden_tags": asked.constraints.forbidden_tags,
            "max_per_tag": asked.constraints.max_per_tag,
            "include_reasons": asked.include_reasons,
        }
        if asked.item_id is not None:
            return engine.similar(asked.item_id, k=asked.k)._replace(**shared)
        weights = self.weights(asked, tenant, chosen)
        return Query(
            k=asked.k,
            weights=Weights(pop=_number(weights.pop), cooc=_number(weights.cooc)),
            anchors=asked.anchors,
            max_anchors=asked.max_anchors,
            subject=subject.first,
            include=asked.include,
            exclude=asked.exclude,
            **shared,
        )

    def weights(self, asked: Asked, tenant: Tenant, chosen: Chosen | None) -> ConfigWeights:
        """The weights in force."""
        variant = None if chosen is None else chosen.weights
        return tenant.snapshot.config.weights_for(asked.surface, variant, asked.weights)

    def _served(self, asked: Asked, tenant: Tenant, request_id: str, chosen: Chosen | None) -> Served:
        """What is logged of the request before its list is known."""
        return Served(
            request_id=request_id,
            ts=self._logs.clock(),
            tenant_id=tenant.snapshot.tenant_id,
            surface=asked.surface,
            segment=asked.segment,
            subject=self.pseudonyms(asked.subject),
            versions=tenant.versions,
            locale=asked.context.locale,
            device=asked.context.device,
            country=asked.context.country,
            now=asked.context.now,
            experiment=None if chosen is None else (chosen.name, chosen.variant),
        )

    async def _log(self, served: Served, listed: Listed) -> tuple[ExposureState, Notice | None]:
        """Write the assignment, then the exposure. Where that fails, the list is served all the same and says so, or
        the request is refused (RequestError), as the log's ON_ERROR has it."""
        if self._logs.exposure is None:
            told = "the exposure log is not enabled: set EXPOSURE_LOG_PATH"
            return ExposureState(logged=False, durable=False), Notice(code="EXPOSURE_NOT_LOGGED", detail=told)
        notice = None
        try:
            await self._logs.log_assignment(served)
        except StorageError as error:
            if self._logs.fails("assignment"):  # nobody sees the list: the exposure is that of a failed request
                with contextlib.suppress(StorageError):
                    await self._logs.log_served(served, Listed([], listed.latency_ms, error=True))
                raise self._refused("assignment", error) from error
            notice = self._flagged("assignment", f"{error.problem}: the exposure is logged, its assignment is not")
        try:
            await self._logs.log_served(served, listed)
        except StorageError as error:
            if self._logs.fails("exposure"):
                raise self._refused("exposure", error) from error
            told = f"{error.problem}: this list will be missing from every report"
            return ExposureState(logged=False, durable=False), self._flagged("exposure", told)
        return ExposureState(logged=True, durable=self._logs.exposure.durable), notice

    def _flagged(self, log: str, told: str) -> Notice:
        self._logs.metrics[log].flagged()
        return Notice(code="EXPOSURE_NOT_LOGGED", detail=told)

    def _refused(self, log: str, error: StorageError) -> RequestError:
        self._logs.metrics[log].flagged()
        told = f"{error.problem}, and {log.upper()}_LOG_ON_ERROR=fail serves no list that is not logged"
        return RequestError(503, "RECSYS_EXPOSURE_NOT_LOGGED", told, retry_after=5)


def _chosen(name: str, variant: str, variants: Mapping[str, Variant | None]) -> Chosen:
    configured = variants.get(variant)
    return Chosen(name, variant, None if configured is None else configured.weights)


def _ms(later: float, earlier: float) -> float:
    return round((later - earlier) * 1000, 3)


def _number(weight: object) -> float:
    return float(weight) if isinstance(weight, int | float) else 0.0


def _response(
    asked: Asked, tenant: Tenant, served: Served, ranking: Ranking,
    timings: dict[str, float], state: ExposureState, notice: Notice | None,
) -> RecommendResponse:  # fmt: skip
    versions = tenant.versions
    warnings = [*asked.notices, *(Notice(code=code, detail=detail) for code, detail in ranking.warnings)]
    if notice is not None:
        warnings.append(notice)
    return RecommendResponse(
        items=[
            RankedItem(
                item_id=item.item_id,
                rank=rank,
                score=item.score,
                reasons=list(item.reasons) if asked.include_reasons else UNSET,
            )
            for rank, item in enumerate(ranking.items, start=1)
        ],
        meta=AnswerMeta(
            tenant_id=served.tenant_id,
            surface=asked.surface,
            segment=asked.segment,
            algo_version=versions.algo,
            config_version=versions.config,
            rules_version=versions.rules,
            release=versions.release,
            request_id=served.request_id,
            experiment=UNSET
            if served.experiment is None
            else VariantRef(id=served.experiment[0], variant=served.experiment[1]),
            counts=Counts(
                candidates=ranking.counts.candidates,
                filtered=ranking.counts.filtered,
                returned=ranking.counts.returned,
            ),
            timings_ms=timings,
            exposure=state,
        ),
        warnings=warnings,
    )

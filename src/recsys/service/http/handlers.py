"""The operations: bytes in, bytes out. Each identifies the caller, decodes, calls its conductor and encodes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from recsys import __version__
from recsys.contracts.api import (
    DetailedHealth,
    Health,
    LogHealth,
    Notice,
    OutcomesResponse,
    TenantHealth,
    ValidateResponse,
)
from recsys.service import asked as asking
from recsys.service import metrics
from recsys.service.asked import Asked
from recsys.service.http import bodies, identity
from recsys.service.http.calls import Answer, Call
from recsys.service.logs import Logs
from recsys.service.outcomes import Collector
from recsys.service.recommend import Recommender
from recsys.service.tenants import Identity, Registry, Tenant

STALE = Notice(code="STALE_SNAPSHOT", detail="the last refresh failed: the list is made of what was read before")


@dataclass(frozen=True)
class Handlers:
    """The functions behind the routes, by the names in the route table."""

    registry: Registry
    recommender: Recommender
    collector: Collector
    logs: Logs
    dev_auth: bool
    started: float

    async def recommend(self, call: Call) -> Answer:
        """``POST /v1/recommend``."""
        return await self._answer(call, lambda body, tenant: asking.recommend(bodies.recommend(body), _config(tenant)))

    async def similar(self, call: Call) -> Answer:
        """``POST /v1/similar``."""
        return await self._answer(call, lambda body, tenant: asking.similar(bodies.similar(body), _config(tenant)))

    async def _answer(self, call: Call, ask: Callable[[bytes, Tenant], Asked]) -> Answer:
        started = time.perf_counter()
        caller = self._caller(call)
        identity.require_server(caller)
        tenant = identity.tenant_of(caller, self.registry.world)
        asked = ask(await _body(call), tenant)
        self.logs.require_room("exposure", "assignment")
        answer = await self.recommender.answer(asked, tenant, call.request_id, started)
        if self.registry.may_be_stale(caller.tenant_id):
            answer.warnings.append(STALE)
        return _json(answer)

    async def validate(self, call: Call) -> Answer:
        """``POST /v1/recommend/validate``."""
        caller = self._caller(call)
        identity.require_server(caller)
        tenant = identity.tenant_of(caller, self.registry.world)
        asked = asking.recommend(bodies.recommend(await _body(call)), _config(tenant))
        chosen = self.recommender.choose_variant(asked, tenant)
        document = asking.as_document(asked, self.recommender.weights(asked, tenant, chosen))
        if chosen is not None:
            document["experiment"] = {"id": chosen.name, "variant": chosen.variant}
        return _json(ValidateResponse(tenant_id=caller.tenant_id, request=document, warnings=list(asked.notices)))

    async def outcomes(self, call: Call) -> Answer:
        """``POST /v1/outcomes``."""
        caller = self._caller(call)
        identity.tenant_of(caller, self.registry.world)
        events = bodies.outcomes(await _body(call))
        self.logs.require_room("outcome")
        return _json(OutcomesResponse(results=await self.collector.collect(caller.tenant_id, events)))

    async def livez(self, _: Call) -> Answer:
        """``GET /livez``: no look at database or logs, for a restart would not mend those."""
        return _json(Health(status="ok"))

    async def readyz(self, _: Call) -> Answer:
        """``GET /readyz``."""
        reasons = self._reasons()
        if reasons:
            return _json(Health(status="unavailable", reasons=reasons), status=503)
        return _json(Health(status="ok"))

    async def metrics(self, _: Call) -> Answer:
        """``GET /metrics``, of all workers."""
        return Answer(metrics.page(), media_type=metrics.CONTENT_TYPE)

    async def health(self, call: Call) -> Answer:
        """``GET /health/detailed``."""
        caller = self._caller(call)
        identity.require_server(caller)
        tenant = identity.tenant_of(caller, self.registry.world)
        reasons = self._reasons()
        reasons += [f"the last refresh failed, snapshots may be stale: {told}" for told in self.registry.failures]
        snapshot = tenant.snapshot
        return _json(
            DetailedHealth(
                status="unavailable" if reasons else "ok",
                reasons=reasons,
                version=__version__,
                uptime_s=round(time.monotonic() - self.started, 1),
                tenant=TenantHealth(
                    tenant_id=snapshot.tenant_id,
                    release=tenant.versions.release,
                    revision=snapshot.revision,
                    items=len(snapshot.signals.catalogue.item_ids),
                    events=len(snapshot.signals.events.ts),
                    age_s=round(time.monotonic() - tenant.built_at, 1),
                ),
                logs=[
                    LogHealth(
                        log=name,
                        enabled=writer is not None,
                        writable=writer is not None and writer.writable,
                        waiting=0 if writer is None else writer.waiting,
                    )
                    for name, writer in self.logs.all
                ],
            )
        )

    def _caller(self, call: Call) -> Identity:
        return identity.identify(call, self.registry.world, dev_auth=self.dev_auth)

    def _reasons(self) -> list[str]:
        unwritable = [f"the {name} log cannot be written" for name in self.logs.unwritable()]
        return [*self.registry.reasons_not_ready(), *unwritable]


def _config(tenant: Tenant):  # noqa: ANN202 - TenantConfig
    return tenant.snapshot.config


async def _body(call: Call) -> bytes:
    bodies.check_content_type(call.header(b"content-type"))
    return await call.body()


def _json(answer: object, *, status: int = 200) -> Answer:
    return Answer(bodies.encode(answer), status)

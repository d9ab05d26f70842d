"""The HTTP server: routes, errors and limits put together. Only this folder knows the web framework."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.exceptions import HTTPException

from recsys.errors import RequestError
from recsys.service.http import openapi, problems
from recsys.service.http.bodies import encode
from recsys.service.http.handlers import Handlers
from recsys.service.http.request_ids import RequestIds
from recsys.service.http.routes import ROUTES

log = logging.getLogger("recsys.service")

Lifespan = Callable[[], AbstractAsyncContextManager[None]]


def build(handlers: Handlers, *, lifespan: Lifespan, max_body_bytes: int, docs: bool) -> Any:
    """The ASGI application. ``docs``: whether the page at ``/docs`` is served."""

    @asynccontextmanager
    async def living(_: Litestar) -> AsyncIterator[None]:
        async with lifespan():
            yield

    app = Litestar(
        route_handlers=[*_api(handlers), *_documents(docs)],
        openapi_config=None,
        logging_config=None,
        lifespan=[living],
        exception_handlers={Exception: _problem},
        request_max_body_size=max_body_bytes,
    )
    return RequestIds(app)


def _api(handlers: Handlers) -> list[Any]:
    decorate = {"GET": get, "POST": post}
    return [
        decorate[route.method](route.path, status_code=200)(_function(getattr(handlers, route.handler)))
        for route in ROUTES
    ]


def _function(bound: Any) -> Any:
    """A plain function of the bound method, as the framework wants it."""
    if "request" in bound.__annotations__:

        async def with_request(request: Request) -> Response:
            return await bound(request)

        return with_request

    async def without_request() -> Response:
        return await bound()

    return without_request


def _documents(docs: bool) -> list[Any]:
    document = encode(openapi.document())

    @get("/openapi.json", sync_to_thread=False)
    def openapi_json() -> Response:
        return Response(document, media_type="application/json")

    if not docs:
        return [openapi_json]
    page = openapi.page()

    @get("/docs", sync_to_thread=False, media_type=MediaType.HTML)
    def docs_page() -> str:
        return page

    return [openapi_json, docs_page]


def _problem(request: Request, error: Exception) -> Response:
    """Any error as problem details. An unexpected one is logged with its cause, and told without it."""
    request_id = request.scope.get("recsys_request_id", "")
    extra: dict[str, str] = {}
    if isinstance(error, RequestError):
        status, code, detail = error.status, error.code, str(error)
        extra = problems.headers(error)
    elif isinstance(error, HTTPException):
        status, detail = error.status_code, _http_detail(error)
        code = problems.CODES.get(status, "RECSYS_INTERNAL")
        extra = dict(error.headers or {})
    else:
        log.error("request %s failed", request_id, exc_info=error)
        status, code = 500, "RECSYS_INTERNAL"
        detail = "the service failed on this request; its log has the cause under the request_id"
    content = problems.body(status, code, detail, instance=request.scope["path"], request_id=str(request_id))
    return Response(content, status_code=status, media_type=problems.MEDIA_TYPE, headers=extra)


def _http_detail(error: HTTPException) -> str:
    told = {404: "there is nothing at this path", 405: "this path does not take this method"}
    return told.get(error.status_code, error.detail or "the request cannot be served")

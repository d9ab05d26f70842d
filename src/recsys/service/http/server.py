"""The HTTP server: routes, errors and limits put together. Only this folder knows the web framework."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from litestar import Litestar, MediaType, Request, Response, asgi, get
from litestar.exceptions import HTTPException, MethodNotAllowedException

from recsys.errors import RequestError
from recsys.service.http import calls, openapi, problems
from recsys.service.http.bodies import encode
from recsys.service.http.calls import Call, ClientGoneError, Handler
from recsys.service.http.handlers import Handlers
from recsys.service.http.request_ids import RequestIds
from recsys.service.http.routes import ROUTES, Route

Lifespan = Callable[[], AbstractAsyncContextManager[None]]


def build(handlers: Handlers, *, lifespan: Lifespan, max_body_bytes: int, docs: bool) -> Any:
    """The ASGI application. ``docs``: whether the page at ``/docs`` is served."""

    @asynccontextmanager
    async def living(_: Litestar) -> AsyncIterator[None]:
        async with lifespan():
            yield

    app = Litestar(
        route_handlers=[*(_endpoint(route, handlers, max_body_bytes) for route in ROUTES), *_documents(docs)],
        openapi_config=None,
        logging_config=None,
        lifespan=[living],
        exception_handlers={Exception: _problem},
    )
    return RequestIds(app)


def _endpoint(route: Route, handlers: Handlers, max_body: int) -> Any:
    """The route for the framework, as a plain ASGI application: its own request and response objects would cost a
    request several times what the socket does."""
    handle: Handler = getattr(handlers, route.handler)

    @asgi(route.path, copy_scope=False)
    async def endpoint(scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] != route.method:
            raise MethodNotAllowedException(headers={"allow": route.method})
        call = Call(scope, receive, max_body)
        try:
            answer = await handle(call)
        except ClientGoneError:
            return
        except RequestError as error:
            answer = problems.refusal(error, instance=call.path, request_id=call.request_id)
        except Exception as error:
            answer = problems.failure(error, instance=call.path, request_id=call.request_id)
        await calls.send(answer, send)

    return endpoint


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
    """What the framework refuses, as problem details."""
    named = {"instance": request.scope["path"], "request_id": str(request.scope.get("recsys_request_id", ""))}
    if not isinstance(error, HTTPException):
        failed = problems.failure(error, **named)
        return Response(failed.content, status_code=failed.status, media_type=failed.media_type)
    told = {404: "there is nothing at this path", 405: "this path does not take this method"}
    status = error.status_code
    detail = told.get(status, error.detail or "the request cannot be served")
    content = problems.body(status, problems.CODES.get(status, "RECSYS_INTERNAL"), detail, **named)
    return Response(content, status_code=status, media_type=problems.MEDIA_TYPE, headers=dict(error.headers or {}))

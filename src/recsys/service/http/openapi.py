"""The OpenAPI document, made of the route table and of the Structs that the handlers decode."""

from __future__ import annotations

from html import escape
from http import HTTPStatus
from typing import Any

import msgspec

from recsys import __version__
from recsys.contracts.api import Problem
from recsys.service.http import problems
from recsys.service.http.request_ids import RULE
from recsys.service.http.routes import ROUTES, Route

REQUEST_ID = {
    "name": "X-Request-Id",
    "in": "header",
    "required": False,
    "description": f"The id of the request: {RULE}. A new one is made where it is absent.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:~/+=-]{1,128}$"},
}


def document() -> dict[str, Any]:
    """The document as JSON-able values (OpenAPI 3.1)."""
    types = [kind for route in ROUTES for kind in (*route.body, route.answer)]
    schemas, components = msgspec.json.schema_components([*types, Problem], ref_template="#/components/schemas/{name}")
    known = iter(schemas)
    problem = schemas[-1]
    paths: dict[str, Any] = {}
    for route in ROUTES:
        bodies = [next(known) for _ in route.body]
        body = {"anyOf": bodies} if len(bodies) > 1 else bodies[0] if bodies else None
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, body, next(known), problem)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "RecSys Suite",
            "version": __version__,
            "description": "Ranked lists that can be proved: each is logged before it is answered.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
        },
    }


def _operation(route: Route, body: Any, answer: Any, problem: Any) -> dict[str, Any]:
    responses = {"200": _response("OK", answer, route.media_type)}
    statuses = sorted({*route.errors, 400})
    for status in statuses:
        is_health = route.path == "/readyz" and status == 503
        content = (answer, "application/json") if is_health else (problem, problems.MEDIA_TYPE)
        responses[str(status)] = _response(HTTPStatus(status).phrase, *content)
    operation: dict[str, Any] = {
        "operationId": route.handler,
        "summary": route.summary,
        "parameters": [REQUEST_ID],
        "responses": responses,
        "security": [] if route.public else [{"apiKey": []}],
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation


def _response(description: str, schema: Any, media_type: str) -> dict[str, Any]:
    header = {"X-Request-Id": {"schema": {"type": "string"}, "description": "The id of the request."}}
    return {"description": description, "headers": header, "content": {media_type: {"schema": schema}}}


def page() -> str:
    """A page for people: each operation with its fields. No script, nothing from elsewhere."""
    described = document()
    parts = [_operation_html(path, method, operation)
             for path, methods in described["paths"].items() for method, operation in methods.items()]  # fmt: skip
    schemas = [_schema_html(name, schema) for name, schema in sorted(described["components"]["schemas"].items())]
    return _PAGE.format(title=escape(described["info"]["title"]), version=escape(__version__),
                        operations="".join(parts), schemas="".join(schemas))  # fmt: skip


def _operation_html(path: str, method: str, operation: dict[str, Any]) -> str:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    (answer,) = (kind["schema"] for kind in operation["responses"]["200"]["content"].values())
    rows = [("takes", _type_html(body)) if body else None, ("answers", _type_html(answer))]
    listed = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in filter(None, rows))
    statuses = ", ".join(status for status in operation["responses"] if status != "200")
    return (
        f"<section><h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(operation['summary'])}</p>"
        f"<dl>{listed}<dt>refuses with</dt><dd>{statuses}, as problem details</dd></dl></section>"
    )


def _schema_html(name: str, schema: dict[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code></td><td>{_type_html(kind)}</td>"
        f"<td>{'required' if field in required else ''}</td><td>{escape(_limits(kind))}</td></tr>"
        for field, kind in schema.get("properties", {}).items()
    )
    told = escape(schema.get("description", "").replace("``", ""))
    return f'<section id="{escape(name)}"><h3>{escape(name)}</h3><p>{told}</p><table>{rows}</table></section>'


def _type_html(kind: dict[str, Any]) -> str:
    if "$ref" in kind:
        name = escape(kind["$ref"].rsplit("/", 1)[-1])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in kind:
        return " or ".join(_type_html(part) for part in kind["anyOf"])
    if kind.get("type") == "array":
        return f"list of {_type_html(kind.get('items', {}))}"
    if "enum" in kind:
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in kind["enum"])
    return escape(str(kind.get("type", "any")))


def _limits(kind: dict[str, Any]) -> str:
    words = [
        f"{name} {kind[name]}" for name in ("minimum", "maximum", "minLength", "maxLength", "maxItems") if name in kind
    ]
    return ", ".join([*([kind["description"]] if "description" in kind else []), *words])


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><link rel="icon" href="data:,"><style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; display: block; overflow-x: auto }}
td {{ border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent) }}
td {{ padding: .3rem .8rem .3rem 0; vertical-align: top }}
dt {{ font-weight: 600 }} h2 {{ margin-top: 2rem }}
</style></head><body><h1>{title} {version}</h1>
<p>Send an API key in <code>X-API-Key</code>.
The machine-readable document is at <a href="/openapi.json">/openapi.json</a>.</p>
{operations}<h2>Types</h2>{schemas}</body></html>
"""

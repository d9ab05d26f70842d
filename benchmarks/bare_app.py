"""The bare server: an ASGI application that decodes the JSON of the request and encodes a reply of the service's shape.

It ranks nothing, knows nobody and logs nothing: what is left is what any service that answers with a list must do.
"""

import msgspec

K = 20
ITEMS = [{"item_id": f"item-{rank:05d}", "rank": rank, "score": 1 / (rank + 1)} for rank in range(1, K + 1)]
META = {
    "tenant_id": "bench", "segment": "default", "algo_version": "blend-1", "config_version": "v1",
    "rules_version": "none", "release": "r-0123456789abcdef", "request_id": "01900000-0000-7000-8000-000000000000",
    "counts": {"candidates": 5000, "filtered": 0, "returned": K},
    "timings_ms": {"rank": 0.123, "log": 0.123, "total": 0.123}, "exposure": {"logged": True, "durable": False},
}  # fmt: skip
WARNINGS = [{"code": "DEFAULT_APPLIED", "detail": "segment: default"}]

decode = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode


async def app(scope, receive, send) -> None:
    """Serve one request (ASGI)."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    asked = decode(body) if body else {}
    reply = encode({"items": ITEMS, "meta": {"surface": asked.get("surface"), **META}, "warnings": WARNINGS})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(reply)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": reply})

"""The routes of the API as data: the server, the OpenAPI document and its page are all made of this table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from recsys.contracts import api
from recsys.contracts.events import Outcome

JSON_ERRORS = (400, 401, 403, 404, 413, 415, 422, 500, 503)


@dataclass(frozen=True)
class Route:
    """One operation. ``handler`` is the name of the function that serves it, ``body`` the types that its body can have,
    ``errors`` its statuses beside 200."""

    method: Literal["GET", "POST"]
    path: str
    handler: str
    summary: str
    answer: Any
    body: tuple[type, ...] = ()
    errors: tuple[int, ...] = ()
    public: bool = False
    media_type: str = "application/json"


ROUTES = (
    Route("POST", "/v1/recommend", "recommend", "Rank items for a subject, and log the exposure.",
          api.RecommendResponse, (api.RecommendRequest,), JSON_ERRORS),
    Route("POST", "/v1/recommend/validate", "validate", "Say how a request would be understood; rank and log nothing.",
          api.ValidateResponse, (api.RecommendRequest,), JSON_ERRORS),
    Route("POST", "/v1/similar", "similar", "Rank items like an item, and log the exposure.",
          api.RecommendResponse, (api.SimilarRequest,), JSON_ERRORS),
    Route("POST", "/v1/outcomes", "outcomes", "Report clicks and conversions: one, or up to 1,000.",
          api.OutcomesResponse, (api.OutcomeBatch, Outcome), JSON_ERRORS),
    Route("GET", "/livez", "livez", "Whether the process runs.", api.Health, public=True),
    Route("GET", "/readyz", "readyz", "Whether requests can be served.", api.Health, errors=(503,), public=True),
    Route("GET", "/metrics", "metrics", "Metrics of all workers, in the text format of Prometheus.", str,
          public=True, media_type="text/plain"),
    Route("GET", "/health/detailed", "health", "What this worker serves the caller's tenant from.",
          api.DetailedHealth, errors=(400, 401, 403, 404, 500)),
)  # fmt: skip

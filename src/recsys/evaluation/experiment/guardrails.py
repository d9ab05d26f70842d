"""Rules of what must not get worse, and the rules that stand unless others are given."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class GuardrailRule(Struct, frozen=True, kw_only=True):
    """``margin``: the most by which the metric may get worse against the control, ``relative`` to it or in its own
    unit. ``limit``: an absolute cap on the candidate's own level. One of both is given."""

    metric: str
    margin: float | None = None
    relative: bool = False
    limit: float | None = None

    def effective(self) -> dict[str, Any]:
        """As it is written in the YAML."""
        if self.limit is not None:
            return {"metric": self.metric, "limit": self.limit}
        margin = f"{(self.margin or 0) * 100:.10g}%" if self.relative else self.margin
        return {"metric": self.metric, "margin": margin}


DEFAULT_GUARDRAILS = (
    GuardrailRule(metric="error_rate", margin=0.005),
    GuardrailRule(metric="empty_rate", margin=0.01),
    GuardrailRule(metric="latency_p95", margin=0.20, relative=True),
)
LIMITS = {"max_latency_p95_ms": "latency_p95", "max_error_rate": "error_rate", "max_empty_rate": "empty_rate"}
"""Keys that are an absolute cap, with the metric that they are about."""

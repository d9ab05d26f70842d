"""Hit rate."""

from __future__ import annotations

from typing import ClassVar

from recsys.evaluation.metrics.base import Scored


class HitRate(Scored):
    """Share of exposures with a relevant item within the first k ranks.

    Formula: 1 if some relevant item has rank ≤ k, else 0.
    Grain: one score per exposure. Range: 0–1. Unit: share.
    Empty: 0 for a list without a relevant item, also for an empty list; null over no exposures.
    Source: "success@k" of trec_eval.
    """

    word: ClassVar[str] = "hitrate"

    @property
    def needs(self) -> dict[str, str]:
        """The best rank of a relevant item."""
        return {"first_rank": "min(item_rank)"}

    @property
    def score(self) -> str:
        """1 within the cut."""
        return f"CASE WHEN first_rank <= {self.k} THEN 1 ELSE 0 END"

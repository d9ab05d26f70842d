"""Mean reciprocal rank."""

from __future__ import annotations

from typing import ClassVar

from recsys.evaluation.metrics.base import Scored


class ReciprocalRank(Scored):
    """Mean reciprocal rank: how high the first relevant item stands.

    Formula: 1 / (rank of the first relevant item), 0 where that rank is beyond k.
    Grain: one score per exposure. Range: 0–1. Unit: none.
    Empty: 0 for a list without a relevant item; null over no exposures.
    Source: "recip_rank" of trec_eval, cut at k.
    """

    word: ClassVar[str] = "mrr"

    @property
    def needs(self) -> dict[str, str]:
        """The best rank of a relevant item."""
        return {"first_rank": "min(item_rank)"}

    @property
    def score(self) -> str:
        """The reciprocal within the cut."""
        return f"CASE WHEN first_rank <= {self.k} THEN 1 / CAST(first_rank AS DOUBLE) ELSE 0 END"

"""Normalised discounted cumulative gain."""

from __future__ import annotations

from typing import ClassVar

from recsys.evaluation.metrics.base import Scored


class NDCG(Scored):
    """Normalised discounted cumulative gain: relevant items count less the lower they stand.

    Formula: DCG = Σ 1/log2(rank + 1) over relevant items with rank ≤ k, divided by the DCG of the ideal list, in which
    the min(relevant, k) relevant items come first. Relevance is 0 or 1.
    Grain: one score per exposure. Range: 0–1. Unit: none.
    Empty: 0 for a list without a relevant item; null over no exposures.
    Source: Järvelin & Kekäläinen, ACM TOIS 2002; "ndcg_cut_k" of trec_eval.
    """

    word: ClassVar[str] = "ndcg"

    discounts: ClassVar[bool] = True

    @property
    def needs(self) -> dict[str, str]:
        """The gain within the cut, and what it would be with the relevant items first."""
        return {
            f"gain_{self.k}": f"coalesce(sum(gain) FILTER (WHERE item_rank <= {self.k}), 0)",
            f"ideal_{self.k}": f"sum(ideal_gain) FILTER (WHERE place <= {self.k})",
        }

    @property
    def score(self) -> str:
        """Gain over ideal gain."""
        return f"CAST(gain_{self.k} AS DOUBLE) / CAST(ideal_{self.k} AS DOUBLE)"

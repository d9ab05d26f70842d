"""Precision."""

from __future__ import annotations

from typing import ClassVar

from recsys.evaluation.metrics.base import Scored


class Precision(Scored):
    """Share of the first k ranks that hold a relevant item.

    Formula: (relevant items with rank ≤ k) / k; it divides by k also where the list is shorter.
    Grain: one score per exposure. Range: 0–1. Unit: share.
    Empty: 0 for a list without a relevant item; null over no exposures.
    Source: "P_k" of trec_eval.
    """

    word: ClassVar[str] = "precision"

    @property
    def needs(self) -> dict[str, str]:
        """The relevant items within the cut."""
        return {f"hits_{self.k}": f"count(*) FILTER (WHERE item_rank <= {self.k})"}

    @property
    def score(self) -> str:
        """Hits over k."""
        return f"CAST(hits_{self.k} AS DOUBLE) / {self.k}"

"""Recall."""

from __future__ import annotations

from typing import ClassVar

from recsys.evaluation.metrics.base import Scored


class Recall(Scored):
    """Share of the relevant items that stand within the first k ranks.

    Formula: (relevant items with rank ≤ k) / (relevant items). What people did not see cannot be relevant here: it is
    recall within the shown list.
    Grain: one score per exposure. Range: 0–1. Unit: share.
    Empty: 0 for a list without a relevant item; null over no exposures.
    Source: "recall_k" of trec_eval.
    """

    word: ClassVar[str] = "recall"

    @property
    def needs(self) -> dict[str, str]:
        """The relevant items within the cut."""
        return {f"hits_{self.k}": f"count(*) FILTER (WHERE item_rank <= {self.k})"}

    @property
    def score(self) -> str:
        """Hits over relevant items."""
        return f"hits_{self.k} / CAST(n_relevant AS DOUBLE)"

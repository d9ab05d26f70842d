"""Mean average precision."""

from __future__ import annotations

from typing import ClassVar

from recsys.evaluation.metrics.base import GAIN_SCALE, Scored


class AveragePrecision(Scored):
    """Mean average precision: the mean of the precision at the rank of each relevant item.

    Formula: Σ (relevant items down to this rank) / rank, over relevant items with rank ≤ k, divided by the number of
    relevant items.
    Grain: one score per exposure. Range: 0–1. Unit: none.
    Empty: 0 for a list without a relevant item; null over no exposures.
    Source: "map_cut_k" of trec_eval.
    """

    word: ClassVar[str] = "map"

    @property
    def needs(self) -> dict[str, str]:
        """The sum of precisions at the relevant ranks within the cut."""
        part = f"CAST(round({GAIN_SCALE} * place / CAST(item_rank AS DOUBLE)) AS BIGINT)"
        return {f"precisions_{self.k}": f"coalesce(sum({part}) FILTER (WHERE item_rank <= {self.k}), 0)"}

    @property
    def score(self) -> str:
        """The sum over the number of relevant items."""
        return f"CAST(precisions_{self.k} AS DOUBLE) / {GAIN_SCALE} / n_relevant"

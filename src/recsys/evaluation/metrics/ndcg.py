"""Normalised discounted cumulative gain."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import ClassVar

from recsys.evaluation.metrics.base import GAIN_SCALE, Scored


class NDCG(Scored):
    """Normalised discounted cumulative gain: relevant items count less the lower they stand.

    Formula: DCG = Σ 1/log2(rank + 1) over relevant items with rank ≤ k, divided by the DCG of the ideal list, in which
    the min(relevant, k) relevant items come first. Relevance is 0 or 1.
    Grain: one score per exposure. Range: 0–1. Unit: none.
    Empty: 0 for a list without a relevant item; null over no exposures.
    Source: Järvelin & Kekäläinen, ACM TOIS 2002; "ndcg_cut_k" of trec_eval.
    """

    word: ClassVar[str] = "ndcg"

    @property
    def needs(self) -> dict[str, str]:
        """The gain within the cut."""
        gain = f"CAST(round({GAIN_SCALE} / log2(item_rank + 1)) AS BIGINT)"
        return {f"gain_{self.k}": f"coalesce(sum({gain}) FILTER (WHERE item_rank <= {self.k}), 0)"}

    @property
    def score(self) -> str:
        """Gain over ideal gain."""
        ideal = accumulate(round(GAIN_SCALE / math.log2(rank + 1)) for rank in range(1, self.k + 1))
        gains = ", ".join(str(float(gain)) for gain in ideal)
        return f"gain_{self.k} / ([{gains}])[least(n_relevant, {self.k})]"

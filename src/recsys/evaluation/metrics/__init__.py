"""The offline metrics: one file each, as values whose names parse to them and print from them.

``str(parse("ndcg@10")) == "ndcg@10"``. Score metrics give each exposure a score and have intervals; the others
describe how impressions spread over items.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from recsys.errors import ConfigError, nearest
from recsys.evaluation.metrics.average_precision import AveragePrecision
from recsys.evaluation.metrics.base import Cut
from recsys.evaluation.metrics.coverage import Coverage
from recsys.evaluation.metrics.gini import Gini
from recsys.evaluation.metrics.hit_rate import HitRate
from recsys.evaluation.metrics.intra_list_diversity import IntraListDiversity
from recsys.evaluation.metrics.ndcg import NDCG
from recsys.evaluation.metrics.novelty import Novelty
from recsys.evaluation.metrics.precision import Precision
from recsys.evaluation.metrics.recall import Recall
from recsys.evaluation.metrics.reciprocal_rank import ReciprocalRank

Metric: TypeAlias = Cut | Gini

KINDS: dict[str, type[Metric]] = {
    kind.word: kind
    for kind in (
        HitRate, Precision, Recall, NDCG, AveragePrecision, ReciprocalRank, Coverage, Novelty, Gini, IntraListDiversity,
    )
}  # fmt: skip
"""Every metric by the word that begins its name."""

MAX_K = 1000
DEFAULT_PACK = (
    "hitrate@10", "precision@10", "recall@10", "ndcg@10", "map@10", "mrr@10", "coverage@10", "novelty@10", "gini",
    "intra_list_diversity@10",
)  # fmt: skip
_NAME = re.compile(r"([a-z_]+)(?:@([1-9][0-9]{0,3}))?")


def parse(name: str, where: str = "metric") -> Metric:
    """The metric of this name; ConfigError names the nearest known one."""
    match = _NAME.fullmatch(name)
    word = match[1] if match else name.split("@")[0]
    if match is None or word not in KINDS:
        if word in KINDS:
            raise ConfigError("the cut cannot be read", where=where, found=name, expected=f"{word}@1 to {word}@{MAX_K}")
        raise ConfigError("no such metric", where=where, found=repr(name[:80]), hint=nearest(word, list(KINDS)))
    kind = KINDS[word]
    if issubclass(kind, Gini):
        if match[2]:
            raise ConfigError("this metric has no cut", where=where, found=name, expected="gini")
        return Gini()
    if not match[2] or int(match[2]) > MAX_K:
        raise ConfigError("a cut is needed", where=where, found=name, expected=f"{word}@k, with k from 1 to {MAX_K}")
    return kind(int(match[2]))


def explain(kind: type[Metric]) -> str:
    """The definition of a metric in words: the docstring of its class."""
    from inspect import getdoc

    return getdoc(kind) or ""

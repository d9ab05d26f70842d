"""``recsys-eval metrics``: what a metric is."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def metrics(
    name: Annotated[
        str | None, typer.Argument(help="A metric such as ndcg, ndcg@10 or ctr; without it all are listed.")
    ] = None,
) -> int:
    """List the metrics, or explain one.

    An explanation gives formula, grain, range, unit, what the metric is of nothing, and the source.

    **Examples**

        recsys-eval metrics
        recsys-eval metrics ndcg@10
        recsys-eval metrics revenue_per_user
    """
    if name is None:
        sys.stdout.write(_list())
        return 0
    sys.stdout.write(f"{name}\n\n{_explained(name)}\n")
    return 0


def _list() -> str:
    from recsys.evaluation import metrics as known
    from recsys.evaluation.experiment import explained

    lines = [
        f"{word + ('' if kind is known.Gini else '@k'):<26}{known.explain(kind).splitlines()[0]}"
        for word, kind in known.KINDS.items()
    ]
    lines += [
        f"\nDefault pack: {', '.join(known.DEFAULT_PACK)}.",
        "Beside the mean over all exposures, <metric>|responded is over those with a relevant item.",
        "With an attribution fallback, <metric>|inferred counts what orphans are credited to as well.",
        "\nOf an experiment, all of these but intra_list_diversity, <metric>|responded of scores, and:\n",
    ]
    lines += [f"{word:<26}{explained.explain(word).splitlines()[0]}" for word in explained.NAMES]
    return "\n".join(lines) + "\n"


def _explained(name: str) -> str:
    """UsageError for a name that is none, ConfigError for a cut that is none."""
    from recsys.errors import UsageError, nearest
    from recsys.evaluation import metrics as known
    from recsys.evaluation.experiment import explained, measures

    if name in measures.RATIOS:
        return explained.explain(name)
    if name == explained.LATENCY or measures.is_latency(name):
        return explained.explain(explained.LATENCY)
    word = name.split("@")[0]
    if word not in known.KINDS:
        raise UsageError("no such metric", found=name, hint=nearest(word, [*known.KINDS, *explained.NAMES]))
    if "@" in name:
        known.parse(name)
    return known.explain(known.KINDS[word])

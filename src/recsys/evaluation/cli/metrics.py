"""``recsys-eval metrics``: what a metric is."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def metrics(
    name: Annotated[
        str | None, typer.Argument(help="A metric such as ndcg or ndcg@10; without it all are listed.")
    ] = None,
) -> int:
    """List the metrics, or explain one.

    An explanation gives formula, grain, range, unit, what the metric is of nothing, and the source.

    **Examples**

        recsys-eval metrics
        recsys-eval metrics ndcg@10
    """
    from recsys.errors import UsageError, nearest
    from recsys.evaluation import metrics as known

    if name is None:
        for word, kind in known.KINDS.items():
            cut = "" if kind is known.Gini else "@k"
            sys.stdout.write(f"{word + cut:<26}{known.explain(kind).splitlines()[0]}\n")
        sys.stdout.write(f"\nDefault pack: {', '.join(known.DEFAULT_PACK)}.\n")
        sys.stdout.write("Beside the mean over all exposures, <metric>|responded is over those with a relevant item.\n")
        sys.stdout.write(
            "With an attribution fallback, <metric>|inferred counts what orphans are credited to as well.\n"
        )
        return 0
    word = name.split("@")[0]
    if word not in known.KINDS:
        raise UsageError("no such metric", found=name, hint=nearest(word, list(known.KINDS)))
    if "@" in name:
        known.parse(name)
    sys.stdout.write(f"{name}\n\n{known.explain(known.KINDS[word])}\n")
    return 0

"""``recsys-eval sql``: the join's relations as SQL for a warehouse of one's own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from recsys.errors import UsageError, nearest

if TYPE_CHECKING:
    from recsys.attribution.policy import Policy


def sql(
    relation: Annotated[str | None, typer.Argument(help="Which relation; without one they are listed.")] = None,
    dialect: Annotated[
        str,
        typer.Option(
            help="duckdb, postgres, spark, databricks, snowflake, bigquery, trino, athena or clickhouse. The tests run "
            "every relation on the first three."
        ),
    ] = "duckdb",
    script: Annotated[
        bool,
        typer.Option(
            "--script", help="All it needs, in order, as CREATE statements; without a relation, of all relations."
        ),
    ] = False,
    config: Annotated[
        str | None, typer.Option(help="Evaluation YAML whose attribution section fills the script's policy.")
    ] = None,
) -> int:
    """Print a relation of the join as SQL for another engine, or the whole join as a script.

    Without a relation and without `--script` the relations are listed, each with what one of its rows is.

    **Examples**

        recsys-eval sql
        recsys-eval sql outcome_fates --dialect snowflake
        recsys-eval sql --script --dialect postgres > join.sql
    """
    from recsys.attribution import script as scripts
    from recsys.attribution.engine import dialects

    wanted = dialects.known(dialect)
    if relation is not None and relation not in scripts.READS:
        raise UsageError(
            "no such relation", where="RELATION", found=relation[:80], hint=nearest(relation, list(scripts.READS))
        )
    if config is not None and not script:
        raise UsageError("--config fills the policy of a script", hint="Use it with --script.")
    if script:
        names = list(scripts.READS) if relation is None else scripts.needed(relation)
        sys.stdout.write(scripts.script(names, wanted, _policy(config)))
    elif relation is None:
        width = max(map(len, scripts.READS))
        sys.stdout.writelines(f"{name:<{width}}  {scripts.grain(name)}\n" for name in scripts.READS)
    else:
        sys.stdout.write(scripts.relation(relation, wanted))
    return 0


def _policy(config: str | None) -> Policy:
    from recsys.attribution.policy import Policy
    from recsys.evaluation import config as configs

    return Policy() if config is None else configs.read(config).attribution

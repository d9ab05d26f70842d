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
            "--script", help="All it needs, in order, as CREATE statements; without a relation, of the whole join."
        ),
    ] = False,
    config: Annotated[
        str | None, typer.Option(help="Evaluation YAML whose attribution section fills the script's policy.")
    ] = None,
    experiment_id: Annotated[str | None, typer.Option(help="The experiment of a script of its relations.")] = None,
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
    if relation is not None and relation not in scripts.ALL:
        hint = nearest(relation, list(scripts.ALL))
        raise UsageError("no such relation", where="RELATION", found=relation[:80], hint=hint)
    if script:
        names = _scripted(relation, experiment_id)
        sys.stdout.write(scripts.script(names, wanted, _policy(config), experiment_id))
        return 0
    for option, value in (("--config", config), ("--experiment-id", experiment_id)):
        if value is not None:
            raise UsageError(f"{option} fills in a script", hint="Use it with --script.")
    if relation is None:
        width = max(map(len, scripts.ALL))
        sys.stdout.writelines(f"{name:<{width}}  {scripts.grain(name)}\n" for name in scripts.ALL)
    else:
        sys.stdout.write(scripts.relation(relation, wanted))
    return 0


def _scripted(relation: str | None, experiment_id: str | None) -> list[str]:
    """The relations of a script, in order; UsageError where there is none of the relation, or an option is missing."""
    from recsys.attribution import script as scripts

    if relation in scripts.OTHERS:
        told = "it reads tables that a command makes for it: there is no script of it"
        raise UsageError(told, where=str(relation), hint="Leave out --script: its text alone can be printed.")
    names = list(scripts.JOIN) if relation is None else scripts.needed(relation)
    if scripts.reads_experiment(names) and experiment_id is None:
        raise UsageError("which experiment?", where=str(relation), expected="--experiment-id ID")
    if experiment_id is not None and not scripts.reads_experiment(names):
        hint = "Leave it out, or name a relation of experiments."
        raise UsageError("no experiment is looked at", where="--experiment-id", found=experiment_id[:80], hint=hint)
    return names


def _policy(config: str | None) -> Policy:
    from recsys.attribution.policy import Policy
    from recsys.evaluation import config as configs

    return Policy() if config is None else configs.read(config).attribution

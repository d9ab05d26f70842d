"""The join as a script for a warehouse: the tables to load, the policy, and the relations in order, in its own SQL.

So are the relations of an experiment. Others, of the doctor and of comparisons, are written only one by one: they read
tables that a command makes for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from recsys.attribution import relations, staged
from recsys.attribution.engine import dialects
from recsys.attribution.engine.dialects import Dialect
from recsys.attribution.experiment import Asked
from recsys.attribution.policy import Policy

JOIN = {**relations.TABLES, **relations.QUERIES}
"""The relations of the join with what they read, in an order in which they can be made."""
READS = {**JOIN, **relations.EXPERIMENT_TABLES, **relations.EXPERIMENT_QUERIES}
"""The same with those of an experiment: what a script can make."""
OTHERS = {**relations.DOCTOR, **relations.WHOLE_LOG, **relations.COMPARED}
"""What can be written only one by one."""
ALL = (*READS, *OTHERS)
_TABLES = {**relations.TABLES, **relations.EXPERIMENT_TABLES}
_VIEWS = relations.VIEWS | relations.EXPERIMENT_VIEWS


def header(name: str) -> str:
    """The comment at the head of a relation: its grain, inputs and parameters."""
    return "".join(takewhile(lambda line: line.startswith("--"), relations.text(name).splitlines(keepends=True)))


def grain(name: str) -> str:
    """What one row of a relation is, in a line."""
    return header(name).splitlines()[0].removeprefix("-- Grain: ")


def relation(name: str, dialect: Dialect) -> str:
    """The SQL of a relation in the dialect, with its header; DuckDB's is the file as it stands."""
    text = relations.text(name)
    if dialect.name == "duckdb":
        return text
    return header(name) + dialects.translated(text.removeprefix(header(name)), dialect.name, pretty=True) + "\n"


def needed(name: str) -> list[str]:
    """The relations that ``name`` comes of and itself, in the order in which they are made."""
    wanted = {name}
    for each in reversed(READS):
        if each in wanted:
            wanted.update(READS[each])
    return [each for each in READS if each in wanted]


def reads_experiment(names: Sequence[str]) -> bool:
    """Whether one of the relations is of a certain experiment."""
    return any(staged.EXPERIMENT in READS[name] for name in names)


def script(names: Sequence[str], dialect: Dialect, policy: Policy, experiment_id: str | None = None) -> str:
    """Statements that make the empty staged tables, the policy, the parameters of the experiment where one is named,
    and the relations ``names``, which are in order."""
    proof = (
        "run by the tests, row by row against a plain-Python join" if dialect.proven else "translated, not run there"
    )
    first = [
        f"-- The join of exposures and outcomes for {dialect.title}; {proof}.",
        *([f"-- {dialect.note}"] if dialect.note else []),
        "-- Load the logs into the staged tables after they are made, then make the relations.",
    ]
    tables = [_table(name, dialect) for name in relations.STAGED]
    parts = ["\n".join(first) + "\n", *tables, _row("policy", policy.table())]
    if experiment_id is not None:
        asked = Asked(experiment_id=experiment_id).table(policy)
        parts += [_table(staged.EXPERIMENT, dialect), _row(staged.EXPERIMENT, asked)]
    return "\n".join([*parts, *(_made(name, dialect) for name in names)])


def _table(name: str, dialect: Dialect) -> str:
    told, columns = staged.TABLES[name]
    lines = [
        (f"    {column} {dialects.column_type(kind, dialect)}" + ("," if place < len(columns) else ""), meaning)
        for place, (column, (kind, meaning)) in enumerate(columns.items(), start=1)
    ]
    body = "\n".join(f"{line}  -- {meaning}" if meaning else line for line, meaning in lines)
    return f"-- {name}: {told}\nCREATE TABLE {name} (\n{body}\n){dialects.table_options(dialect)};\n"


def _row(name: str, table: tuple[Mapping[str, str], list[tuple[Any, ...]]]) -> str:
    types, [row] = table
    return f"INSERT INTO {name} ({', '.join(types)})\nVALUES ({', '.join(map(literal, row))});\n"


def literal(value: int | str | None) -> str:
    """A value of a parameter as SQL."""
    return "NULL" if value is None else str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def _made(name: str, dialect: Dialect) -> str:
    held = name in _TABLES and name not in _VIEWS
    kind = f"TABLE {name}{dialects.table_options(dialect)}" if held else f"VIEW {name}"
    query = relation(name, dialect).removeprefix(header(name)).strip()
    return f"{header(name)}CREATE {kind} AS\n{query};\n"

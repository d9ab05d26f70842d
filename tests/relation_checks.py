"""Whether the relations of an engine are those of the plain-Python twins, row for row, and how they are asked for."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

from recsys.attribution import relations
from relations_oracle import TWINS

NAMES = (*relations.STAGED, *relations.TABLES, *relations.QUERIES)
NUMBERED = {"staged_outcomes", "outcome_matches", "outcome_verdicts", "outcome_fates"}
"""Relations of which every row has a number of its own."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def query(name):
    """What gives the rows of a relation: itself where it is a table, else its text."""
    return relations.text(name) if name in relations.QUERIES else f"SELECT * FROM {name}"


def plain(value):
    """A value as Python's own: the type goes with it, for TRUE is no 1, and 1 is no 1.0."""
    if isinstance(value, Decimal):
        assert value == int(value)
        value = int(value)
    if isinstance(value, datetime):
        since = value - EPOCH
        value = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    if isinstance(value, list | tuple):
        return tuple(plain(part) for part in value)
    return type(value).__name__, value


def counted(names, rows):
    """Rows, each as often as it stands there, whatever their order and that of the columns; ``row_number`` left out."""
    order = sorted((name, place) for place, name in enumerate(names) if name != "row_number")
    return tuple(name for name, _ in order), Counter(tuple(plain(row[place]) for _, place in order) for row in rows)


def twin(name, world):
    """The rows of a relation in the form of ``counted``; its columns are None where it has no row."""
    rows = TWINS[name](world)
    if not rows:
        return None, Counter()
    names = tuple(sorted(rows[0]))
    return names, Counter(tuple(plain(row[column]) for column in names) for row in rows)


def check(read, world, names=NAMES):
    """AssertionError names the first relation that is not its twin's, with rows that only one of both has. ``read``
    gives the columns and the rows of a query."""
    for name in names:
        columns, rows = read(query(name))
        found_names, found = counted(columns, rows)
        expected_names, expected = twin(name, world)
        assert found_names == (expected_names or found_names), f"{name}: {found_names} is not {expected_names}"
        only = {
            "the engine": list((found - expected).items())[:3], "the twin": list((expected - found).items())[:3],
        }  # fmt: skip
        assert found == expected, f"{name}: {found_names}: {only}"
        if name in NUMBERED:
            place = columns.index("row_number")
            assert len({row[place] for row in rows}) == len(rows), f"{name}: rows share a number"
        _check_order(name, rows)


def _check_order(name, rows):
    """Relations with an ORDER BY come in it."""
    if name in {"clicks_by_rank", "hours", "list_lengths"}:
        assert list(rows) == sorted(rows), name

"""What the page on warehouses says of PostgreSQL is done there: its statements fill the staged tables."""

import json
from collections import Counter
from contextlib import closing

import docs_blocks
import relation_checks
import troubled_logs
from postgres_engine import Postgres
from recsys.attribution import relations

PAGE = docs_blocks.ROOT / "docs" / "how-to" / "run-the-join-in-your-warehouse.md"
SETTLED = ("staged_exposures", "staged_outcomes", *relations.TABLES, *relations.QUERIES)


def rows(engine, name):
    """The rows of a relation; which copy of several has which number, and how odd lists are spelt, is anybody's."""
    columns, found = engine(relation_checks.query(name))
    left_out = {"row_number", "odd_pairs"}
    order = sorted((column, place) for place, column in enumerate(columns) if column not in left_out)
    return Counter(tuple(relation_checks.plain(row[place]) for _, place in order) for row in found)


def test_the_statements_of_the_page_stage_what_the_program_stages(joined, postgres, tmp_path):
    """From raw JSON they make the staged tables, and the script the relations, that the program makes of the logs."""
    [filling] = [block.text for block in docs_blocks.blocks(PAGE) if block.language == "sql"]
    shown, done = troubled_logs.make(8)
    shown.append(
        {**shown[3], "items": [{"item_id": "é", "rank": 2}, {"item_id": "A", "rank": 2}, {"item_id": "é", "rank": 9}]}
    )
    with joined(shown, done) as found, closing(Postgres(postgres, None)) as other:
        for name, log in (("raw_exposures", shown), ("raw_outcomes", done)):
            other.run(f"CREATE TABLE {name} (line jsonb)")
            other.copy(name, "line", [(json.dumps(row),) for row in log])
        other.run(filling)
        other.make_relations()
        for name in SETTLED:
            if name == "joined_outcomes":
                continue  # its instants come by a file only; it is outcome_fates in an order
            assert rows(other.read, name) == rows(
                lambda query: (_columns(found.engine, query), found.engine.rows(query)), name
            )
        assert other.read("SELECT count(*) FROM staged_exposures WHERE odd_pairs IS NOT NULL")[1] == found.engine.rows(
            "SELECT count(*) FROM staged_exposures WHERE odd_pairs IS NOT NULL"
        )


def _columns(engine, query):
    return list(engine.columns(f"SELECT * FROM ({query}\n) AS relation LIMIT 0"))

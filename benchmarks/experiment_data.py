"""Parquet logs of an experiment for the benchmarks: users of uneven activity in two arms, made by DuckDB once."""

from pathlib import Path

import duckdb

from benchmarks.data_made import FOLDER

LISTS_PER_USER = 5
START = "TIMESTAMPTZ '2026-01-01 00:00:00+00'"


def made(users: int) -> Path:
    """A folder with exposures, outcomes and assignments: about five lists of five items for each user."""
    folder = FOLDER / f"experiment-{users}"
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder, users)
        (folder / "done").touch()
    return folder


def _write(folder: Path, users: int) -> None:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    lists = users * LISTS_PER_USER
    connection.execute(
        f"""
        CREATE TABLE lists AS
        SELECT
            n AS number,
            -- the square root puts more lists on some users than on others
            CAST(floor(pow(hash(n) % 1000003 / 1000003.0, 1.5) * {users}) AS BIGINT) AS person,
            hash(n, 'latency') % 1000 AS draw
        FROM range({lists}) AS r(n)
        """
    )
    connection.execute(
        f"""
        CREATE TABLE shown AS
        SELECT
            'req-' || lpad(CAST(number AS VARCHAR), 10, '0') AS request_id,
            md5('user' || person) || md5('u' || person) AS user_id,
            {START} + number * INTERVAL 200 MILLISECONDS AS ts,
            CASE WHEN hash(person, 'arm') % 2 = 0 THEN 'A' ELSE 'B' END AS variant,
            number, draw
        FROM lists
        """
    )
    context = (
        "MAP {'tenant_id': 'demo', 'surface': CASE WHEN number % 3 = 0 THEN 'item_page' ELSE 'home' END, "
        "'experiment_id': 'exp-1', 'experiment_variant': variant}"
    )
    items = ", ".join(
        f"{{'item_id': 'item_' || (hash(number, {rank}) % 4000 * 5 + {rank}), 'rank': {rank}::INTEGER}}"
        for rank in range(1, 6)
    )
    _copy(
        connection, folder / "exposures",
        f"SELECT request_id, user_id, ts, [{items}] AS items, {context} AS context, "
        "exp(1.5 + draw / 500.0) AS latency_ms, draw = 7 AS error FROM shown",
    )  # fmt: skip
    _copy(
        connection, folder / "assignments",
        f"SELECT 'exp-1' AS experiment_id, variant, request_id, user_id, ts, {context} AS context FROM shown",
    )  # fmt: skip
    rates = "CASE WHEN variant = 'A' THEN 100 ELSE 104 END"
    clicked = f"(SELECT *, hash(number, 'click') % 1000 AS chance FROM shown) AS s WHERE chance < {rates}"
    outcome = "request_id, user_id, 'item_' || (hash(number, 2) % 4000 * 5 + 2) AS item_id"
    _copy(
        connection, folder / "outcomes",
        f"SELECT {outcome}, 'click' AS event_type, ts + INTERVAL 20 SECONDS AS ts, NULL::DOUBLE AS value "
        f"FROM {clicked} UNION ALL SELECT {outcome}, 'conversion' AS event_type, ts + INTERVAL 90 SECONDS AS ts, "
        f"round(exp(3 + draw / 400.0), 2) AS value FROM {clicked} AND number % 10 = 0",
    )  # fmt: skip


def _copy(connection, folder: Path, query: str) -> None:
    folder.mkdir(exist_ok=True)
    connection.execute(f"COPY ({query}) TO '{folder}/part.parquet' (FORMAT parquet, COMPRESSION zstd)")

"""The same rows give the same trace from JSON lines in any cut, from Parquet of any make, and from databases."""

import json
import random
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import msgspec
import psycopg
import pytest

import compact_worlds
import join_oracle as oracle
import log_databases
from recsys.attribution import sources
from recsys.attribution.environment import Secret
from recsys.attribution.named import Source
from recsys.attribution.policy import Policy
from recsys.attribution.trace import around, parquet_logs, scan
from recsys.attribution.trace.trace import Asked, trace
from recsys.errors import InputError

from .conftest import NOW, write_lines

SEED = random.Random(5)
USERS = ["u1", "u2", "ü3"]
BEGIN = datetime.fromisoformat("2026-02-04T22:00:00Z")


def _shown(number):
    """A list; every seventh is delivered twice, every eleventh id stands on two lists, one list is anonymous."""
    named = number - 1 if number % 11 == 0 and number else number
    request = f"r{named}é/{named % 3}"
    row = {
        "request_id": request, "user_id": USERS[number % 3], "ts": (BEGIN + timedelta(minutes=2 * number)).isoformat(),
        "items": [
            {"item_id": f"i{(number + r) % 9}", "rank": r, "propensity": r / 8} for r in range(1, number % 5 + 1)
        ],
        "context": {"tenant_id": "t", "surface": ("home", "cart")[number % 2], "q\"": "\\"}, "latency_ms": number / 3,
        "error": number % 13 == 0,
    }  # fmt: skip
    if number == 20:
        row |= {"user_id": request, "context": {"anonymous": "true"}}
    return (
        [row, {**row, "ts": (BEGIN + timedelta(minutes=2 * number, seconds=3)).isoformat()}]
        if number % 7 == 0
        else [row]
    )


EXPOSURES = [row for number in range(60) for row in _shown(number)]


def _done(number):
    shown = EXPOSURES[SEED.randrange(len(EXPOSURES))]
    row = {
        "request_id": shown["request_id"] if number % 9 else f"gone{number % 4}",
        "user_id": shown["user_id"] if number % 8 else "u1",
        "item_id": f"i{SEED.randrange(9)}",
        "event_type": ("click", "conversion")[number % 4 == 0],
        "ts": (datetime.fromisoformat(shown["ts"]) + timedelta(seconds=SEED.choice([-9, 0, 5, 9000]))).isoformat(),
        "context": {"surface": "home"},
    }
    if number % 3 == 0:
        row["event_id"] = f"e{SEED.randrange(12)}"
    return {**row, "value": SEED.randrange(4) / 4} if number % 4 == 0 else row


OUTCOMES = [_done(number) for number in range(200)]
ASSIGNMENTS = [
    {"experiment_id": "x", "variant": "AB"[n % 2], "request_id": row["request_id"], "user_id": row["user_id"],
     "ts": row["ts"]} for n, row in enumerate(EXPOSURES) if n % 4 == 0
]  # fmt: skip
ROWS = {"exposures": EXPOSURES, "outcomes": OUTCOMES, "assignments": ASSIGNMENTS}
WINDOWS = {"click": 3600.0, "conversion": None}
FATES = oracle.fates(EXPOSURES, OUTCOMES, windows_us={"click": 3_600_000_000})
BY_REQUEST = defaultdict(set)
for row, (fate, _) in zip(OUTCOMES, FATES, strict=True):
    BY_REQUEST[row["request_id"]].add(fate)


def _covering():
    """Few requests whose outcomes have every fate between them, one that was delivered twice, and one that is not."""
    chosen, left = ["r7é/1", "none"], set().union(*BY_REQUEST.values())
    while left:
        chosen.append(max(sorted(BY_REQUEST), key=lambda request: len(BY_REQUEST[request] & left)))
        left -= BY_REQUEST[chosen[-1]]
    return chosen


REQUESTS = _covering()
POLICY = Policy(windows_s=WINDOWS)


def without_places(value):
    """A trace without the places of rows, and what follows from their order alone."""
    if isinstance(value, dict):
        return {key: without_places(member) for key, member in value.items() if key not in {"at", "inputs", "reason"}}
    if isinstance(value, list):
        plain = [without_places(member) for member in value]
        return sorted(plain, key=repr) if plain and isinstance(plain[0], dict) and "ts" in plain[0] else plain
    return value


def traces(named, rows=REQUESTS, **asked):
    """What is told of each request."""
    return [
        msgspec.to_builtins(trace(named, Asked(request_id=request, policy=POLICY, **asked), NOW)) for request in rows
    ]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The traces from one JSONL file a role."""
    folder = tmp_path_factory.mktemp("lines")
    files = {role: [write_lines(folder / f"{role}.jsonl", rows)] for role, rows in ROWS.items()}
    found = [without_places(each) for each in traces(sources.from_options(**files))]
    told = {row["fate"] for each in found for row in each["rows"]}
    assert told >= {"duplicate", "orphan", "ambiguous", "not_in_list", "before_exposure", "after_window", "attributed"}
    assert {each["status"] for each in found} == {"no_exposure", "found", "unknown"}
    return found


def parquet(path: Path, role, rows, changed=""):
    """Rows as Parquet, written by DuckDB; ``changed``: a REPLACE list that gives columns other types."""
    kinds = {
        "exposures": "request_id VARCHAR, user_id VARCHAR, ts TIMESTAMPTZ, items STRUCT(item_id VARCHAR, rank INTEGER, "
        "propensity DOUBLE)[], context MAP(VARCHAR, VARCHAR), latency_ms DOUBLE, error BOOLEAN",
        "outcomes": "request_id VARCHAR, user_id VARCHAR, item_id VARCHAR, event_type VARCHAR, ts TIMESTAMPTZ, "
        "value DOUBLE, event_id VARCHAR, context MAP(VARCHAR, VARCHAR)",
        "assignments": "experiment_id VARCHAR, variant VARCHAR, request_id VARCHAR, user_id VARCHAR, ts TIMESTAMPTZ",
    }[role]
    lines = path.with_suffix(".jsonl")
    write_lines(lines, rows)
    columns = ", ".join(f"{column.split()[0]}: '{column.split(maxsplit=1)[1]}'" for column in _split(kinds))
    replaced = f"* REPLACE ({changed})" if changed else "*"
    duckdb.execute(f"""SET TimeZone = 'UTC'; COPY (SELECT {replaced} FROM read_json('{lines}',
        format = 'newline_delimited', columns = {{{columns}}})) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)""")
    return str(path)


def _split(kinds):
    parts, depth = [""], 0
    for char in kinds:
        depth += (char == "(") - (char == ")")
        parts = [*parts, ""] if char == "," and not depth else [*parts[:-1], parts[-1] + char]
    return [part.strip() for part in parts]


def test_parquet(tmp_path, expected):
    """One file a role."""
    files = {role: [parquet(tmp_path / f"{role}.parquet", role, rows)] for role, rows in ROWS.items()}
    assert [without_places(each) for each in traces(sources.from_options(**files))] == expected


def test_parquet_of_several_makes(tmp_path, expected):
    """Files of one log whose instants are texts or instants, whose numbers are decimals, and that lack columns."""
    halves = {role: (rows[::2], rows[1::2]) for role, rows in ROWS.items()}
    text = "strftime(ts, '%Y-%m-%dT%H:%M:%S.%fZ') AS ts"
    changes = {"exposures": text, "outcomes": "value::DECIMAL(10, 4) AS value", "assignments": text}
    files = {
        role: [
            parquet(tmp_path / f"{role}-1.parquet", role, first),
            parquet(tmp_path / f"{role}-2.parquet", role, second, changes[role]),
        ]
        for role, (first, second) in halves.items()
    }
    assert [without_places(each) for each in traces(sources.from_options(**files))] == expected


def test_compacted_folders(tmp_path, expected):
    """What `compact` makes of the log, and the lines that it set aside."""
    bad = b'{"request_id":"aside","user_id":'
    logs = {role: write_lines(tmp_path / f"{role}.jsonl", [*rows, bad]) for role, rows in ROWS.items()}
    compact_worlds.run(tmp_path / "out", **{role: [path] for role, path in logs.items()})
    named = sources.from_options(**{role: [str(tmp_path / "out" / role)] for role in ROWS})
    assert [without_places(each) for each in traces(named)] == expected
    [aside] = traces(named, ["aside"])
    assert [(row["log"], row["fate"], row["at"]["line"]) for row in aside["rows"]] == [
        (role, "invalid", 1) for role in ROWS
    ]
    assert all("_invalid" in row["at"]["file"] for row in aside["rows"])


def test_the_rows_of_parquet_are_found_again(tmp_path):
    """A place is the file and its row, from 1."""
    files = {role: [parquet(tmp_path / f"{role}.parquet", role, rows)] for role, rows in ROWS.items()}
    [found] = traces(sources.from_options(**files), ["r7é/1"])
    for row in found["rows"]:
        whole = duckdb.execute(f"SELECT request_id, user_id FROM '{row['at']['file']}'").fetchall()
        assert whole[row["at"]["line"] - 1] == ("r7é/1", row["user_id"])


def test_invalid_rows_of_parquet_are_told(tmp_path):
    """A row that breaks a rule is told with its place, and takes part in nothing; one of the subject is counted."""
    rows = [{**EXPOSURES[9], "request_id": "r9"}, {**EXPOSURES[9], "request_id": "r9", "latency_ms": -1}]
    rows += [{**EXPOSURES[9], "request_id": "r8", "latency_ms": -1}]
    made = trace(
        sources.from_options([parquet(tmp_path / "e.parquet", "exposures", rows)],
                             [parquet(tmp_path / "o.parquet", "outcomes", [])]),
        Asked(request_id="r9", policy=POLICY), NOW,
    )  # fmt: skip
    assert [(row.at.line, row.fate) for row in made.rows] == [(1, "shown"), (2, "invalid")]
    assert made.rows[1].reason == "$.latency_ms: found another value, expected a number, 0 or more"
    assert made.around.invalid == 1


@pytest.mark.parametrize("make", ["parquet", "lines", "two files"])
def test_a_busy_subject_is_told_of_in_part(tmp_path, make):
    """The nearest rows, whatever their order in the files, and how many more there are."""
    rows = [
        {"request_id": f"q{n}", "user_id": "u", "ts": (BEGIN + timedelta(seconds=n)).isoformat(), "items": []}
        for n in range(2 * around.MOST + 30)
    ]
    random.Random(1).shuffle(rows)
    if make == "parquet":
        logs = [parquet(tmp_path / "e.parquet", "exposures", rows)], [parquet(tmp_path / "o.parquet", "outcomes", [])]
    else:
        cuts = 2 if make == "two files" else 1
        names = [write_lines(tmp_path / f"e{n}.jsonl", rows[n::cuts]) for n in range(cuts)]
        logs = names, [write_lines(tmp_path / "o.jsonl", [])]
    made = trace(sources.from_options(*logs), Asked(request_id="q0", policy=POLICY), NOW).around
    assert [row.request_id for row in made.rows] == [f"q{n}" for n in range(1, around.MOST + 1)]
    assert made.more_exposures == around.MOST + 29


@pytest.mark.parametrize(("block", "piece"), [(7, 500), (1 << 20, 333)])
def test_any_cut_of_the_bytes(tmp_path, expected, monkeypatch, block, piece):
    """Blocks and ranges that end anywhere, many files, and processes on all cores find the same rows."""
    monkeypatch.setattr(scan, "BLOCK_BYTES", block)
    monkeypatch.setattr(scan, "RANGE_BYTES", piece)
    whole = {role: [write_lines(tmp_path / f"{role}.jsonl", rows)] for role, rows in ROWS.items()}
    found = traces(sources.from_options(**whole))
    assert [without_places(each) for each in found] == expected
    for row in (row for each in found for row in each["rows"]):
        line = json.loads(Path(row["at"]["file"]).read_bytes().splitlines()[row["at"]["line"] - 1])
        assert line["user_id"] == row["user_id"]
        assert {line.get("item_id"), line.get("event_type")} == {row["item_id"], row["event_type"]}


def test_on_all_cores(tmp_path, expected, monkeypatch):
    """Large files are searched by several processes, with the same result."""
    monkeypatch.setattr(scan, "ALONE_BYTES", 0)
    monkeypatch.setattr(scan, "RANGE_BYTES", 4000)
    files = {role: [write_lines(tmp_path / f"{role}.jsonl", rows)] for role, rows in ROWS.items()}
    found = traces(sources.from_options(**files), REQUESTS[-1:], around_s=0.0)
    assert [without_places(each)["rows"] for each in found] == [each["rows"] for each in expected[-1:]]


def test_many_files(tmp_path, expected):
    """Rows of one request in different files."""
    cut = {
        role: [write_lines(tmp_path / f"{role}-{n}.jsonl", rows[n::3]) for n in range(3)] for role, rows in ROWS.items()
    }
    found = [without_places(each) for each in traces(sources.from_options(**cut))]
    assert [each["rows"] for each in found] == [each["rows"] for each in expected]
    assert [each["headline"] for each in found] == [each["headline"] for each in expected]


def test_a_duckdb_file(tmp_path, expected):
    """The rows of a query of a DuckDB database."""
    for role, rows in ROWS.items():
        parquet(tmp_path / f"{role}.parquet", role, rows)
    database = tmp_path / "logs.duckdb"
    with duckdb.connect(str(database)) as connection:
        for role in ROWS:
            connection.execute(f"CREATE TABLE {role} AS FROM '{tmp_path}/{role}.parquet'")
    named = sources.Dataset(
        **{role: Source("duckdb", [str(database)], f"SELECT * FROM {role};") for role in ROWS}  # type: ignore[arg-type]
    )
    assert [without_places(each) for each in traces(named)] == expected


def test_too_many_rows_of_parquet(tmp_path, monkeypatch):
    """An id that stands on more rows than can be traced is refused."""
    monkeypatch.setattr(parquet_logs, "MOST_ROWS", 3)
    shown = parquet(tmp_path / "e.parquet", "exposures", [EXPOSURES[9]])
    for count in (3, 4):
        rows = [{**OUTCOMES[1], "request_id": EXPOSURES[9]["request_id"], "item_id": f"i{n}"} for n in range(count)]
        named = sources.from_options([shown], [parquet(tmp_path / f"o{count}.parquet", "outcomes", rows)])
        asked = Asked(request_id=EXPOSURES[9]["request_id"], policy=POLICY)
        if count == 3:
            assert len(trace(named, asked, NOW).rows) == 4
        else:
            with pytest.raises(InputError, match="outcomes: more rows than can be traced"):
                trace(named, asked, NOW)


LIKE = [("R7É/1", "r7é/1"), ("r7é/2", "r7é/1"), ("xx-r7é/1", "r7é/1"), ("r7é/1-", "r7é/1"), ("é/1", "r7é/1")]


@pytest.mark.parametrize(("asked", "logged"), LIKE)
def test_ids_in_parquet_that_resemble_it(tmp_path, asked, logged):
    """Are found as in JSON lines; from when to when the log is, its instants tell."""
    rows = [{**EXPOSURES[0], "request_id": request} for request in (logged, "other")]
    logs = [parquet(tmp_path / "e.parquet", "exposures", rows)], [parquet(tmp_path / "o.parquet", "outcomes", [])]
    made = trace(sources.from_options(*logs), Asked(request_id=asked, policy=POLICY), NOW)
    assert [near.request_id for near in made.near] == [logged]
    assert "2026-02-04 22:00:00 UTC to 2026-02-04 22:00:00 UTC" in " ".join(made.checks)


@pytest.fixture(scope="module")
def dsn():
    with log_databases.running() as dsn:
        yield dsn


def test_postgres(dsn, expected):
    """The database looks for the rows; equal ones are as many as they are, and have no line."""
    with psycopg.connect(dsn, autocommit=True) as database:
        for role, rows in ROWS.items():
            log_databases.fill(database, role, rows)
    named = sources.Dataset(
        **{role: Source("postgres", [], f"SELECT * FROM {role}", Secret(dsn)) for role in ROWS}  # type: ignore[arg-type]
    )
    found = traces(named)
    assert {row["at"]["line"] for each in found for row in each["rows"]} == {0}
    told = [without_places(each) for each in found]
    assert [each["rows"] for each in told] == [each["rows"] for each in expected]
    assert [each["around"] for each in told] == [each["around"] for each in expected]


@pytest.mark.parametrize(("asked", "logged"), LIKE)
def test_ids_in_postgres_that_resemble_it(dsn, asked, logged):
    """The database finds them by their beginning and their end; texts in a query are texts, whatever they hold."""
    with psycopg.connect(dsn, autocommit=True) as database:
        rows = [{**EXPOSURES[0], "request_id": request} for request in (logged, "other")]
        log_databases.fill(database, "exposures", rows, "lists")
        log_databases.fill(database, "outcomes", [], "events")
    named = sources.Dataset(
        exposures=Source("postgres", [], "SELECT * FROM lists", Secret(dsn)),
        outcomes=Source("postgres", [], "SELECT * FROM events", Secret(dsn)),
    )
    assert [near.request_id for near in trace(named, Asked(request_id=asked, policy=POLICY), NOW).near] == [logged]
    for odd in ("'; DROP TABLE lists; --", "\\' OR TRUE --", "a'b", "%s"):
        assert trace(named, Asked(request_id=odd, policy=POLICY), NOW).status == "unknown"

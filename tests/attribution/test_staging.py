"""What the engine reads of a log is what Python reads of it: every valid spelling, every field."""

import json
import tempfile
from contextlib import closing
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

import join_oracle as oracle
import strategies
from recsys.attribution.engine.duckdb import DuckDB
from recsys.attribution.sources import MAX_SLICE_KEYS, Accepted

KEYS = ("tenant_id", "surface", "Surface", 'we\'ird "key"', "é")


def staged(exposures, outcomes, keys):
    """The rows of both staged tables, for logs of these lines."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        accepted = []
        for role, lines in (("exposures", exposures), ("outcomes", outcomes)):
            path = folder / f"{role}.jsonl"
            path.write_bytes(b"".join(line + b"\n" for line in lines))
            accepted.append(Accepted(kind="jsonl", paths=[path], rows=len(lines), invalid=0))
        with closing(DuckDB(folder)) as engine:
            engine.stage(*accepted, None, keys)
            shown = engine.rows(
                "SELECT request_id, user_id, ts_us, shown, n_items, repeated_rank, repeated_item, rank_gap, "
                "zero_propensity, latency_ms, error, anonymous, slice_1, slice_2, slice_3 FROM staged_exposures"
            )
            done = engine.rows(
                "SELECT request_id, user_id, item_id, event_type, ts_us, value, event_id, slice_1, slice_2, slice_3 "
                "FROM staged_outcomes"
            )
    return shown, done


def number(value):
    return None if value is None else float(value)


def expected_exposure(line, keys):
    row = json.loads(line)
    context = row.get("context", {})
    ranks = [item["rank"] for item in row["items"]]
    propensities = [item.get(name) for item in row["items"] for name in ("propensity", "logging_propensity")]
    items = oracle.shown(row)
    return (
        row["request_id"], row["user_id"], oracle.micros(row["ts"]), items, len(items),
        len(set(ranks)) < len(ranks), len(items) < len(ranks), set(ranks) != set(range(1, len(set(ranks)) + 1)),
        any(value == 0 for value in propensities), number(row.get("latency_ms")), row.get("error"),
        context.get("anonymous") == "true", *(context.get(key) for key in keys),
    )  # fmt: skip


def expected_outcome(line, keys):
    row = json.loads(line)
    context = row.get("context", {})
    return (
        row["request_id"], row["user_id"], row["item_id"], row["event_type"], oracle.micros(row["ts"]),
        number(row.get("value")), row.get("event_id"), *(context.get(key) for key in keys),
    )  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(
    st.lists(strategies.lines("exposure.v1"), min_size=1, max_size=8),
    st.lists(strategies.lines("outcome.v1"), min_size=1, max_size=8),
    st.permutations(KEYS).map(lambda keys: keys[:3]),
)
def test_the_engine_reads_what_python_reads(exposures, outcomes, keys):
    """Ids, instants, lists, flags, numbers and slices are the same, whatever the spelling of a valid line."""
    shown, done = staged(exposures, outcomes, keys)

    def sortable(rows):
        return sorted(rows, key=repr)

    assert sortable(shown) == sortable(expected_exposure(line, keys) for line in exposures)
    assert sortable(done) == sortable(expected_outcome(line, keys) for line in outcomes)


def test_logs_are_staged_anew_under_other_keys(tmp_path):
    """In place of what was there, be it of no key, of some or of all that there may be: the columns stay the same."""
    path = tmp_path / "exposures.jsonl"
    context = {f"k{n}": f"v{n}" for n in range(MAX_SLICE_KEYS)}
    row = {"request_id": "r1", "user_id": "u1", "ts": "2026-02-05T10:00:00Z", "items": [], "context": context}
    path.write_text(json.dumps(row) + "\n")
    log, none = Accepted(kind="jsonl", paths=[path], rows=1, invalid=0), tmp_path / "none.jsonl"
    none.touch()
    nothing = Accepted(kind="jsonl", paths=[none], rows=0, invalid=0)
    with closing(DuckDB(tmp_path)) as engine:
        for count in (2, MAX_SLICE_KEYS, 0, MAX_SLICE_KEYS, 3):
            engine.stage(log, nothing, None, list(context)[:count])
            engine.create("exposures_again", "SELECT * FROM staged_exposures")
            (found,) = engine.rows("SELECT COLUMNS('^slice_') FROM exposures_again")
            values = list(context.values())[:count]
            assert list(found) == values + [None] * (MAX_SLICE_KEYS - count)

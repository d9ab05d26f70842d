"""Logs kept as Parquet: the same rows as in JSONL give the same relations, and the same rows are refused."""

import json
import math
import tempfile
from pathlib import Path

import jsonschema_rs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import join_oracle as oracle
import strategies
from recsys.attribution import join, quality, sources
from recsys.attribution.columns import OPTIONAL, REQUIRED
from recsys.attribution.engine import parquet
from recsys.attribution.engine.duckdb import DuckDB
from recsys.attribution.policy import Policy
from recsys.contracts import schema

UTC_MICROS = pa.timestamp("us", tz="UTC")
CONTEXT = pa.map_(pa.string(), pa.string())
ITEM = pa.struct(
    {"item_id": pa.string(), "rank": pa.int64(), "propensity": pa.float64(), "logging_propensity": pa.float64()}
)
TYPES = {"ts": pa.string(), "items": pa.list_(ITEM), "context": CONTEXT, "latency_ms": pa.float64(),
         "error": pa.bool_(), "value": pa.float64()}  # fmt: skip
EXPOSURE = {"request_id": "r1", "user_id": "u", "ts": "2026-02-05T10:00:00Z", "items": [{"item_id": "a", "rank": 1}]}
OUTCOME = {"request_id": "r1", "user_id": "u", "item_id": "a", "event_type": "click", "ts": "2026-02-05T10:00:05Z"}
ASSIGNMENT = {"experiment_id": "x", "variant": "A", "request_id": "r1", "user_id": "u", "ts": "2026-02-05T10:00:00Z"}
VALIDATORS = {role: jsonschema_rs.validator_for(schema.build(name)) for role, name in sources.SCHEMAS.items()}
ROWS = {"exposures": EXPOSURE, "outcomes": OUTCOME, "assignments": ASSIGNMENT}


def column(rows, name, types):
    values = [row.get(name) for row in rows]
    kind = types.get(name, pa.string())
    if kind == UTC_MICROS:
        values = [oracle.micros(value) for value in values]
    elif kind == CONTEXT:
        values = [value if value is None else list(value.items()) for value in values]
    elif pa.types.is_floating(kind):
        values = [None if value is None else float(value) for value in values]
    return pa.array(values, kind)


def write(path: Path, role: str, rows, *, types=TYPES, **replaced) -> str:
    """A Parquet file of these rows; optional columns stand there when a row has them. ``replaced``: other columns."""
    optional = [name for name in OPTIONAL[role] if any(name in row for row in rows)]
    columns = {name: column(rows, name, types) for name in (*REQUIRED[role], *optional)} | replaced
    pq.write_table(pa.table({name: values for name, values in columns.items() if values is not None}), path)
    return str(path)


def relations(specs, folder: Path):
    """All that a join finds in files of exposures, outcomes and maybe assignments, in a fixed order."""
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    accepted = sources.accept_dataset(sources.from_options(*specs), scratch)
    found = join.join(DuckDB(scratch), accepted, Policy(), scratch=scratch, slice_keys=("surface", "é", 'q"'))
    tables = [
        sorted(found.engine.rows(f"SELECT {columns} FROM {name}"), key=repr)
        for name, columns in (("exposures", "*"), ("outcome_fates", "* EXCLUDE row_number"), ("relevant", "*"))
    ]
    described = quality.data_quality(found), quality.hours(found), quality.clicks_by_rank(found)
    found.engine.close()
    return tables, described


requests, shown_items = st.sampled_from(["r1", "r 2", "é"]), st.sampled_from(["a", "b", "'c", "日"])
small_exposures = st.builds(
    lambda row, request, items: {**row, "request_id": request, "items": items},
    strategies.exposures,
    requests,
    st.lists(st.builds(lambda item, name: {**item, "item_id": name}, strategies.items, shown_items), max_size=4),
)
small_outcomes = st.builds(
    lambda row, request, item: {**row, "request_id": request, "item_id": item},
    strategies.outcomes,
    requests,
    shown_items,
)
small_assignments = st.builds(lambda row, request: {**row, "request_id": request}, strategies.assignments, requests)


@settings(max_examples=5, deadline=None)
@given(
    st.lists(small_exposures, min_size=1, max_size=12),
    st.lists(small_outcomes, min_size=1, max_size=16),
    st.lists(small_assignments, min_size=1, max_size=3),
    st.sampled_from([pa.string(), UTC_MICROS]),
    st.integers(0, 4),
)
def test_the_same_rows_give_the_same_relations(shown, done, assigned, instant, cut):
    """Every relation and every count is the same from Parquet, in two files and either type of ts, as from JSONL."""
    types = {**TYPES, "ts": instant, "items": pa.list_(pa.struct([*ITEM, pa.field("target_propensity", pa.float64())]))}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines, tables = [], []
        for role, rows in (("exposures", shown), ("outcomes", done), ("assignments", assigned)):
            lines.append([str(folder / f"{role}.jsonl")])
            (folder / f"{role}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
            tables.append(
                [
                    write(folder / f"{role}-{n}.parquet", role, part, types=types)
                    for n, part in enumerate((rows[:cut], rows[cut:]))
                ]
            )
        assert relations(tables, folder) == relations(lines, folder)


junk = strategies.JUNK.filter(lambda value: isinstance(value, str) and "\ud800" not in value)
texts = st.one_of(strategies.ids, junk, st.sampled_from(["x" * 513, "é" * 512, "é" * 513, "\x9f", None]))
instants = st.one_of(strategies.timestamps(), junk, st.none())
floats = st.one_of(st.floats(), st.sampled_from([0.0, -0.0, 1.0, math.nextafter(1, 2), -1e-300]), st.none())
ranks = st.one_of(st.integers(-1, 3), st.sampled_from([2**31 - 1, 2**31, 2**62, None]))
listed = st.lists(
    st.one_of(st.none(), st.fixed_dictionaries({"item_id": texts, "rank": ranks, "propensity": floats})), max_size=2
)
context = st.one_of(st.none(), st.dictionaries(st.sampled_from(["surface", ""]), st.one_of(st.none(), st.text("ab\n"))))
FIELDS = {
    "request_id": texts, "user_id": texts, "ts": instants, "item_id": texts, "event_id": texts, "variant": texts,
    "experiment_id": texts, "event_type": st.sampled_from(["click", "conversion", "Click", "", None]),
    "items": st.one_of(st.none(), listed), "latency_ms": floats, "value": floats, "context": context,
    "error": st.sampled_from([True, False, None]),
}  # fmt: skip


@st.composite
def odd_rows(draw, role):
    """A row that is right, or has another value in one field."""
    row = draw({"exposures": strategies.exposures, "outcomes": strategies.outcomes}.get(role, strategies.assignments))
    field = draw(st.sampled_from([*REQUIRED[role], *OPTIONAL[role], ""]))
    return {**row, field: draw(FIELDS[field])} if field else row


def obeys(row, role) -> bool:
    """Whether the row, in JSON and without what is null, holds against the JSON Schema; JSON has no NaN."""

    def without_nulls(value):
        return {key: member for key, member in value.items() if member is not None}

    row = without_nulls(row)
    if "items" in row:
        row["items"] = [item if item is None else without_nulls(item) for item in row["items"]]
    try:
        json.dumps(row, allow_nan=False)
    except ValueError:
        return False
    return VALIDATORS[role].is_valid(row)


@settings(max_examples=25, deadline=None)
@given(st.data(), st.sampled_from(sources.ROLES))
def test_the_rows_that_the_schema_refuses_are_invalid(data, role):
    """Of rows that Parquet's types can hold, those are invalid that would break the JSON Schema, and no others."""
    rows = data.draw(st.lists(odd_rows(role), min_size=1, max_size=16))
    with tempfile.TemporaryDirectory() as name:
        found = parquet.accept([write(Path(name) / "log.parquet", role, rows)], role, scratch=Path(name))
    good = [obeys(row, role) for row in rows]
    assert (found.rows, found.invalid) == (len(rows), good.count(False))
    assert [fault.line for fault in found.faults] == [n for n, holds in enumerate(good, 1) if not holds][:5]


@pytest.mark.parametrize(
    ("role", "field", "value", "told"),
    [
        ("exposures", "user_id", " ", "1 to 512 characters"),
        ("exposures", "ts", "2026-02-05T10:00:00", "with its offset"),
        ("exposures", "items", [{"item_id": "a", "rank": 0}], "rank 1 to 2147483647"),
        ("exposures", "items", [{"item_id": "a", "rank": 1, "propensity": 2.0}], "propensity in [0, 1]"),
        ("exposures", "latency_ms", -1, "0 or more"),
        ("outcomes", "event_type", "view", "click or conversion"),
        ("outcomes", "value", math.nan, "a finite number"),
        ("outcomes", "event_id", "", "1 to 512 characters"),
        ("outcomes", "context", {"surface": None}, "text values"),
        ("assignments", "variant", None, "1 to 512 characters"),
    ],
)
def test_a_bad_row_is_counted_with_its_cause(tmp_path, role, field, value, told):
    """A bad row counts as invalid; its fault names the file, the row, the column and what was expected there."""
    good = ROWS[role]
    path = write(tmp_path / "log.parquet", role, [good, good, {**good, field: value}, good])
    found = parquet.accept([path], role, scratch=tmp_path)
    [fault] = found.faults
    assert (found.rows, found.invalid) == (4, 1)
    assert (fault.file, fault.line, fault.path) == (path, 3, f"$.{field}")
    assert told in fault.expected


SCORED = pa.list_(pa.struct([*ITEM, pa.field("score", pa.float64())]))


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_scores_may_be_there_and_are_finite(tmp_path, score):
    """Items may have one, or none; one that is no number is a fault, in a list of several too."""
    rows = [{**ROWS["exposures"], "items": [{"item_id": "a", "rank": 1, **given}, {"item_id": "b", "rank": 2}]}
            for given in ({"score": 0.0}, {"score": -1e300}, {}, {"score": score})]  # fmt: skip
    path = write(tmp_path / "log.parquet", "exposures", rows, types={**TYPES, "items": SCORED})
    found = parquet.accept([path], "exposures", scratch=tmp_path)
    assert [(fault.line, fault.expected) for fault in found.faults] == [(4, "score a finite number")]
    sound = write(tmp_path / "sound.parquet", "exposures", [*rows[:3], rows[0] | {"items": []}],
                  types={**TYPES, "items": SCORED})  # fmt: skip
    assert parquet.accept([sound], "exposures", scratch=tmp_path).invalid == 0


def test_only_the_first_faults_are_kept_but_all_are_counted(tmp_path):
    """A file of bad rows gives five faults, and the number of all of them."""
    found = parquet.accept(
        [write(tmp_path / "log.parquet", "outcomes", [{**OUTCOME, "item_id": ""}] * 9)], "outcomes", scratch=tmp_path
    )
    assert (found.rows, found.invalid, [fault.line for fault in found.faults]) == (9, 9, [1, 2, 3, 4, 5])


def test_bad_rows_never_reach_a_relation(tmp_path):
    """The valid rows beside bad ones are joined; the bad ones are in the counts alone."""
    shown = write(tmp_path / "e.parquet", "exposures", [EXPOSURE, {**EXPOSURE, "request_id": ""}])
    done = write(tmp_path / "o.parquet", "outcomes", [OUTCOME, {**OUTCOME, "ts": "today"}, {**OUTCOME, "item_id": "b"}])
    (exposures, fates, _), (described, *_) = relations(([shown], [done]), tmp_path)
    assert (len(exposures), len(fates)) == (1, 2)
    assert (described.exposures.invalid, described.fates.invalid, described.fates.rows) == (1, 1, 3)
    assert (described.fates.attributed, described.fates.not_in_list) == (1, 1)

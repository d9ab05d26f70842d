"""Logs on disk for Spark: as JSON lines or as Parquet, in any order and cut, accepted as every command does it."""

import json

import pyarrow as pa
import pyarrow.parquet as pq

from recsys.attribution import join, sources

CONTEXT = pa.map_(pa.string(), pa.string())
ITEM = pa.struct(
    [
        ("item_id", pa.string()),
        ("rank", pa.uint32()),
        ("propensity", pa.float64()),
        ("logging_propensity", pa.float32()),
    ]
)
TEXTS = [(name, pa.string()) for name in ("request_id", "user_id", "ts")]
SCHEMAS = {
    "exposures": pa.schema(
        [*TEXTS, ("items", pa.list_(ITEM)), ("context", CONTEXT), ("latency_ms", pa.float64()), ("error", pa.bool_())]
    ),
    "outcomes": pa.schema(
        [*TEXTS, ("item_id", pa.string()), ("event_type", pa.string()), ("value", pa.float64()),
         ("event_id", pa.string()), ("context", CONTEXT)]
    ),
    "assignments": pa.schema(
        [*TEXTS, ("experiment_id", pa.string()), ("variant", pa.string()), ("context", CONTEXT)]
    ),
}  # fmt: skip


def write_lines(path, rows):
    """Rows as JSON lines, some with blanks and carriage returns between the tokens, as the contract allows."""
    texts = [json.dumps(row, ensure_ascii=n % 2 == 0, separators=(",\t", ":\r")) for n, row in enumerate(rows)]
    path.write_bytes("".join(text + "\n" for text in texts).encode())
    return str(path)


def write_table(path, rows, role):
    """Rows as Parquet, the instants as text."""
    columns = {name: [_value(row, name) for row in rows] for name in SCHEMAS[role].names}
    pq.write_table(pa.table(columns, schema=SCHEMAS[role]), path)
    return str(path)


def _value(row, name):
    value = row.get(name)
    if name == "context" and value is not None:
        return list(value.items())
    if name == "items":
        return [{key: part for key, part in item.items() if key != "target_propensity"} for item in value]
    return float(value) if name in ("latency_ms", "value") and value is not None else value


def accepted(folder, logs, kind, cuts=3):
    """The accepted dataset of rows by role, each log cut into files whose names are odd."""
    files = {}
    for role, rows in logs.items():
        paths = [folder / f"_{role} {{{cut}}}'.{kind}" for cut in range(cuts)]
        files[role] = [
            write_lines(path, rows[cut::cuts]) if kind == "jsonl" else write_table(path, rows[cut::cuts], role)
            for cut, path in enumerate(paths)
        ]
    return sources.accept_dataset(sources.from_options(*files.values()), folder)


def joined(engine, folder, world, kind, shuffler):
    """The join of a world's logs in some order, on the engine."""
    parts = {"exposures": world.exposures, "outcomes": world.outcomes, "assignments": world.assignments}
    logs = {role: shuffler.sample(rows, len(rows)) for role, rows in parts.items()}
    dataset = accepted(folder, logs, kind)
    assert all(part.invalid == 0 for part in dataset.inputs)
    return join.join(engine, dataset, world.policy, scratch=folder, slice_keys=world.keys)

"""The catalogue: the same items from JSONL, packed or plain, and from Parquet; what is no item is named by its line."""

import gzip
import hashlib
import json
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

import strategies
from recsys.attribution.engine.duckdb import DuckDB
from recsys.contracts.types import MAX_LINE_BYTES
from recsys.errors import InputError
from recsys.evaluation import catalogue

TAGS = pa.list_(pa.string())


@pytest.fixture
def load(tmp_path):
    """A function from the spec of a catalogue to its items, {item_id: tags}, and the account of its files."""
    engine = DuckDB(tmp_path)

    def items(spec):
        inputs = catalogue.load(engine, str(spec))
        rows = engine.rows("SELECT item_id, tags FROM catalogue")
        assert len({item for item, _ in rows}) == len(rows)
        return dict(rows), inputs

    yield items
    engine.close()


def lines(*rows) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def stored(path, rows, **types):
    kinds = {"item_id": pa.string(), "tags": TAGS} | types
    names = sorted({name for row in rows for name in row} | {"item_id"})
    columns = {name: pa.array([row.get(name) for row in rows], kinds.get(name)) for name in names}
    pq.write_table(pa.table(columns), path)
    return path


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
items = st.dictionaries(strategies.ids, st.lists(words, max_size=4), min_size=1, max_size=8)


@settings(max_examples=15, deadline=None)
@given(items, st.booleans())
def test_every_form_gives_the_same_items(tmp_path_factory, found, untagged):
    """Items with their tags, sorted and each once, are the same from JSONL, .gz, .zst and Parquet; no tags are none."""
    folder = tmp_path_factory.mktemp("items")
    rows = [{"item_id": item} | ({} if untagged and not tags else {"tags": tags}) for item, tags in found.items()]
    content = lines(*rows)
    for name, packed in (("i.jsonl", content), ("i.jsonl.gz", gzip.compress(content)),
                         ("i.jsonl.zst", zstandard.compress(content))):  # fmt: skip
        (folder / name).write_bytes(packed)
    stored(folder / "i.parquet", rows)
    expected = {item: sorted(set(tags)) for item, tags in found.items()}
    with closing(DuckDB(folder)) as engine:
        for name in ("i.jsonl", "i.jsonl.gz", "i.jsonl.zst", "i.parquet"):
            catalogue.load(engine, str(folder / name))
            assert dict(engine.rows("SELECT item_id, tags FROM catalogue")) == expected, name


def test_the_files_are_accounted_for(tmp_path, load):
    """A folder of files is one catalogue; each file is listed with its rows, its size and the hash of its content."""
    parts = [lines({"item_id": "a", "tags": ["x"]}, {"item_id": "b"}), lines({"item_id": "c"})]
    (tmp_path / "items").mkdir()
    (tmp_path / "items" / "1.jsonl").write_bytes(parts[0])
    (tmp_path / "items" / "2.jsonl.gz").write_bytes(gzip.compress(parts[1]))
    found, inputs = load(tmp_path / "items")
    assert found == {"a": ["x"], "b": [], "c": []}
    assert [(part.role, part.rows, part.invalid, part.bytes, part.sha256) for part in inputs] == [
        ("items", content.count(b"\n"), 0, len(content), hashlib.sha256(content).hexdigest()) for content in parts
    ]
    path = stored(tmp_path / "i.parquet", [{"item_id": "a"}, {"item_id": "b"}])
    _, [part] = load(path)
    content = path.read_bytes()
    assert (part.rows, part.bytes, part.sha256) == (2, len(content), hashlib.sha256(content).hexdigest())


def test_other_fields_are_not_read(tmp_path, load):
    """Titles, prices and the like may stand there in any type, in JSONL and in Parquet."""
    rows = [{"item_id": "a", "title": "A", "price": 1.5, "tags": ["x"]}]
    (tmp_path / "i.jsonl").write_bytes(lines(*rows, {"item_id": "b", "price": None, "title": {"en": []}}))
    assert load(tmp_path / "i.jsonl")[0] == {"a": ["x"], "b": []}
    assert load(stored(tmp_path / "i.parquet", rows))[0] == {"a": ["x"]}


def test_the_last_line_may_lack_its_end(tmp_path, load):
    """Windows line ends and a last line without an end change nothing."""
    (tmp_path / "i.jsonl").write_bytes(b'{"item_id":"a"}\r\n{"item_id":"b"}')
    assert load(tmp_path / "i.jsonl")[0] == {"a": [], "b": []}


BAD = [
    b"{", b"", b"[]", b"null", b'"a"', b"{}", b'{"item":"a"}', b'{"item_id":5}', b'{"item_id":""}', b'{"item_id":null}',
    b'{"item_id":"%s"}' % (b"x" * 513), b'{"item_id":"a","tags":"red"}', b'{"item_id":"a","tags":[1]}',
    b'{"item_id":"a","tags":null}', b'{"item_id":"a"} x', b'{"item_id":"\xff"}', b"\xff\xfe", b"\x00",
]  # fmt: skip


@pytest.mark.parametrize("line", BAD, ids=lambda line: repr(line[:24]))
def test_a_line_that_is_no_item_is_named(tmp_path, load, line):
    """The first bad line ends the run with one message: file, line, what was found and what an item looks like."""
    path = tmp_path / "i.jsonl"
    path.write_bytes(lines({"item_id": "good"}) + line + b"\n" + lines({"item_id": "better"}))
    with pytest.raises(InputError, match="not an item") as refused:
        load(path)
    assert refused.value.where == f"{path}:2"
    assert '{"item_id": "a", "tags": ["red"]}' in refused.value.expected
    assert len(str(refused.value).splitlines()) == 1


def test_a_line_without_end_is_refused(tmp_path, load):
    """A line over 16 MiB is no item: it is named, and not read in parts as if it were several."""
    path = tmp_path / "i.jsonl"
    path.write_bytes(b'{"item_id":"a","title":"' + b"x" * MAX_LINE_BYTES + b'"}\n')
    with pytest.raises(InputError, match="not an item") as refused:
        load(path)
    assert refused.value.where == f"{path}:1"


PARQUET = [
    ([{"item_id": "a"}, {"item_id": None}], {}, "i.parquet:2: not an item (found no item_id"),
    ([{"item_id": "a"}, {"item_id": "b"}, {"item_id": ""}], {}, "i.parquet:3: not an item"),
    ([{"item_id": "é" * 512}, {"item_id": "é" * 513}], {}, "i.parquet:2: not an item (found an item_id of 513"),
    ([{"item_id": 1}], {"item_id": pa.int64()}, "not a catalogue (found {'item_id': 'BIGINT'}"),
    ([{"item_id": "a", "tags": "red"}], {"tags": pa.string()}, "expected item_id VARCHAR, tags VARCHAR[]"),
    ([{"item_id": "a", "tags": [1]}], {"tags": pa.list_(pa.int64())}, "expected item_id VARCHAR, tags VARCHAR[]"),
    ([{"item_id": None}], {"item_id": pa.null()}, "not a catalogue"),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "types", "message"), PARQUET)
def test_a_row_of_parquet_that_is_no_item_is_named(tmp_path, load, rows, types, message):
    """A row without a usable item_id is named like a line would be, and never left out in silence."""
    with pytest.raises(InputError) as refused:
        load(stored(tmp_path / "i.parquet", rows, **types))
    assert message in str(refused.value)


def test_parquet_without_item_ids_and_files_that_are_none(tmp_path, load):
    """A Parquet file without the column, text under that suffix, and a missing file are named."""
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "i.parquet")
    with pytest.raises(InputError, match="not a catalogue"):
        load(tmp_path / "i.parquet")
    (tmp_path / "i.parquet").write_bytes(b"x" * 99)
    with pytest.raises(InputError, match="not a Parquet file"):
        load(tmp_path / "i.parquet")
    with pytest.raises(InputError, match="no such file"):
        load(tmp_path / "missing.jsonl")
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(b"x" * 99)[:-5])
    with pytest.raises(InputError, match="cannot be decompressed"):
        load(tmp_path / "cut.jsonl.gz")


def test_a_name_is_no_pattern(tmp_path, load):
    """Of `i[1].parquet` that file is read, and not its neighbour `i1.parquet`; folders of partitions add no column."""
    folder = tmp_path / "tags=it's"
    folder.mkdir()
    stored(folder / "i1.parquet", [{"item_id": "other"}])
    assert load(stored(folder / "i[1].parquet", [{"item_id": "a"}]))[0] == {"a": []}


def test_an_item_given_twice_must_be_the_same(tmp_path, load):
    """The same item again, its tags in any order or repeated, counts once; with other tags it is refused by name."""
    same = [{"item_id": "a", "tags": ["x", "y"]}, {"item_id": "a", "tags": ["y", "x", "x"]}, {"item_id": "b"}]
    other = [*same, {"item_id": "b", "tags": ["z"]}]
    for name, write in (("i.jsonl", lambda path, rows: path.write_bytes(lines(*rows))), ("i.parquet", stored)):
        write(tmp_path / name, same)
        assert load(tmp_path / name)[0] == {"a": ["x", "y"], "b": []}
        write(tmp_path / name, other)
        with pytest.raises(InputError, match="an item stands there twice, with other tags") as refused:
            load(tmp_path / name)
        assert refused.value.found == "b"


@pytest.mark.parametrize("name", ["i.jsonl", "i.parquet"])
def test_an_empty_catalogue_is_refused(tmp_path, load, name):
    """A catalogue without an item would make coverage of nothing: it is refused."""
    if name == "i.jsonl":
        (tmp_path / name).touch()
    else:
        stored(tmp_path / name, [])
    with pytest.raises(InputError, match="the catalogue is empty"):
        load(tmp_path / name)


def test_large_catalogues_are_read_in_batches(tmp_path, load):
    """More items than one batch holds are all there, and the second catalogue replaces the first."""
    (tmp_path / "i.jsonl").write_bytes(lines({"item_id": "first"}))
    load(tmp_path / "i.jsonl")
    count = 2 * catalogue.BATCH + 1
    (tmp_path / "i.jsonl").write_bytes(
        b"".join(b'{"item_id":"i%d","tags":["t%d"]}\n' % (n, n % 7) for n in range(count))
    )
    found, [part] = load(tmp_path / "i.jsonl")
    assert part.rows == count
    assert found == {f"i{n}": [f"t{n % 7}"] for n in range(count)}

"""Parquet in folders below folders and in object stores: which files are data, and how they count."""

import hashlib
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import s3_server
from recsys.attribution import sources
from recsys.attribution.engine import parquet
from recsys.attribution.named import Source
from recsys.errors import InputError, UsageError

ODD_NAMES = [
    "tenant_id=a b",
    "tenant_id=a%2Fb",
    "tenant_id=%",
    "tenant_id=[1]*?",
    "tenant_id=é'日",
    "tenant_id=a+b&c#d",
]


def table(request, rows=2, **columns):
    return pa.table({
        "request_id": [f"{request}-{n}" for n in range(rows)], "user_id": ["u"] * rows,
        "ts": pa.array(["2026-02-05T10:00:00Z"] * rows),
        "items": pa.array([[{"item_id": "a", "rank": 1}]] * rows,
                          pa.list_(pa.struct([("item_id", pa.string()), ("rank", pa.int32())]))),
        **columns,
    })  # fmt: skip


def stored(path, request, rows=2, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table(request, rows, **columns), path)
    return path


@pytest.fixture
def partitioned(tmp_path):
    """A folder of partitions, and things beside them that are not data; (folder, the files that are data)."""
    folder = tmp_path / "logs"
    files = [
        stored(folder / name / f"surface=home/day=2026-02-0{number}" / "part.parquet", f"r{number}", number)
        for number, name in enumerate(ODD_NAMES, start=1)
    ]
    files.append(stored(folder / "top.parquet", "top"))
    for name in (
        "_part.parquet",
        ".part.parquet",
        "_tmp/1.parquet",
        "tenant_id=x/.cache/1.parquet",
        "x/_1/y/1.parquet",
    ):
        stored(folder / name, "hidden")
    (folder / "_compacted.json").write_text("{}")
    (folder / "tenant_id=x" / "readme.txt").write_text("x")
    (folder / "folder.parquet").mkdir()
    return folder, sorted(files)


def accepted(specs, scratch):
    scratch.mkdir(exist_ok=True)
    return parquet.accept([str(spec) for spec in specs], "exposures", scratch=scratch)


def test_a_folder_is_read_with_all_below_it(partitioned, tmp_path):
    """Every file of every partition counts, whatever its name; what begins with _ or . does not, file or folder."""
    folder, files = partitioned
    found = accepted([folder], tmp_path / "scratch")
    assert found.paths == files
    assert [(part.path, part.rows) for part in found.inputs] == [
        (str(file), pq.read_metadata(file).num_rows) for file in files
    ]
    assert [origin.file for origin in found.origins] == [str(file) for file in files]
    assert sources.from_options([str(folder)], ["o.jsonl"]).exposures == Source("parquet", [str(folder)])


def test_bad_rows_of_one_file_among_many(partitioned, tmp_path):
    """Counts and faults are those of the file that has them; files of other columns are judged by their own."""
    folder, files = partitioned
    bad = stored(folder / "tenant_id=x" / "bad.parquet", "bad", 5, user_id=["u", " ", "u", "", "u"])
    other = stored(folder / "tenant_id=y" / "other.parquet", "other", 3, latency_ms=[1.0, -1.0, None])
    bad_items = pa.array([[{"item_id": "", "rank": 1}]], table("x").schema.field("items").type)
    listed = stored(folder / "tenant_id=z" / "items.parquet", "items", 1, items=bad_items)
    found = accepted([folder], tmp_path / "scratch")
    by_file = {part.path: (part.rows, part.invalid) for part in found.inputs}
    assert by_file == {str(file): (pq.read_metadata(file).num_rows, 0) for file in files} | {
        str(bad): (5, 2), str(other): (3, 1), str(listed): (1, 1),
    }  # fmt: skip
    assert [(fault.file, fault.line, fault.path) for fault in found.faults] == [
        (str(bad), 2, "$.user_id"), (str(bad), 4, "$.user_id"), (str(other), 2, "$.latency_ms"),
        (str(listed), 1, "$.items"),
    ]  # fmt: skip


@pytest.mark.parametrize("damage", ["footer", "pages", "column"])
def test_a_file_among_many_that_cannot_be_read(partitioned, tmp_path, damage):
    """It is named, however many stand beside it."""
    folder, _ = partitioned
    path = stored(folder / "tenant_id=x" / "broken.parquet", "broken", 2000)
    content = bytearray(path.read_bytes())
    if damage == "footer":
        content[-3:] = b"xxx"
    elif damage == "pages":
        content[4:3000] = bytes(2996)
    path.write_bytes(content)
    if damage == "column":
        stored(path, "broken", score=[1.0, 2.0])
    with pytest.raises(InputError, match="unknown column" if damage == "column" else "not a Parquet file") as refused:
        accepted([folder], tmp_path / "scratch")
    assert refused.value.where == str(path)


def test_links_are_followed_and_circles_found(partitioned, tmp_path):
    """A partition may be a link to another disk; files that are reached twice are refused and not counted twice."""
    folder, files = partitioned
    elsewhere = stored(tmp_path / "elsewhere" / "day=1" / "1.parquet", "linked", 7)
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    found = accepted([folder], tmp_path / "scratch")
    assert len(found.paths) == len(files) + 1
    assert found.rows == sum(pq.read_metadata(file).num_rows for file in [*files, elsewhere])
    (folder / "circle").symlink_to(folder)
    with pytest.raises(InputError, match="the same file is given twice"):
        accepted([folder], tmp_path / "scratch")


def test_a_folder_that_cannot_be_read(partitioned, tmp_path, monkeypatch):
    """It is an error and not a folder without data."""
    folder, _ = partitioned
    scan = os.scandir

    def closed(path):
        if str(path).endswith("tenant_id=x"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)  # for root, who may read everything
    with pytest.raises(InputError, match=r"tenant_id=x: cannot be read .found Permission denied"):
        accepted([folder], tmp_path / "scratch")


def test_globs_match_files_and_folders(partitioned, tmp_path):
    """Of a folder that matches all below it counts, and what begins with _ or . only where the pattern says so."""
    folder, files = partitioned
    of_days = [file for file in files if file.parent.name in {"day=2026-02-02", "day=2026-02-03"}]
    for pattern, wanted in (
        ("*/*/day=2026-02-0[23]", of_days),
        ("**/day=2026-02-0[23]/*.parquet", of_days),
        ("tenant_id=[!x]*", files[:-1]),
        ("**/*.parquet", files),
        ("_p*.parquet", [folder / "_part.parquet"]),
        ("x/_*", [folder / "x" / "_1" / "y" / "1.parquet"]),
    ):
        found = accepted([folder / pattern], tmp_path / "scratch")
        assert found.paths == wanted, pattern
        assert sources.from_options([f"{folder}/{pattern}"], ["o"]).exposures.kind == "parquet", pattern
    inside = stored(tmp_path / "_top" / "a" / "1.parquet", "inside")
    assert accepted([tmp_path / "_top" / "*"], tmp_path / "scratch").paths == [inside]
    with pytest.raises(InputError, match="no such file"):
        accepted([folder / "nothing*"], tmp_path / "scratch")


@pytest.fixture(scope="module")
def s3():
    with s3_server.running() as variables:
        yield variables


@pytest.fixture(params=["file", "s3"])
def uploaded(request, partitioned, tmp_path, monkeypatch, s3):
    """The URL under which the folder is found in a store, and how the URL of a file begins there."""
    folder, _ = partitioned
    if request.param == "file":
        return f"file://{folder}"
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    client = s3_server.client(s3)
    for path in folder.rglob("*"):
        if path.is_file():
            client.upload_file(str(path), s3_server.BUCKET, f"{tmp_path.name}/{path.relative_to(folder)}")
    return f"s3://{s3_server.BUCKET}/{tmp_path.name}"


def test_the_same_from_an_object_store(partitioned, uploaded, tmp_path):
    """A prefix gives what the folder gives: the same files in the same order, rows, bytes and hashes, named by URL."""
    folder, files = partitioned
    for url in (uploaded, f"{uploaded}/"):
        assert sources.from_options([url], ["o.jsonl"]).exposures.kind == "parquet"
        found = accepted([url], tmp_path / "scratch")
        assert [part.path for part in found.inputs] == [f"{uploaded}/{file.relative_to(folder)}" for file in files]
        for part, path, file in zip(found.inputs, found.paths, files, strict=True):
            content = file.read_bytes()
            assert path.read_bytes() == content
            assert (part.bytes, part.sha256) == (len(content), hashlib.sha256(content).hexdigest())
            assert part.rows == pq.read_metadata(file).num_rows


def test_one_object_and_one_partition(uploaded, tmp_path):
    """A URL may name one object, or the folder of a partition; faults are told by the URL."""
    found = accepted([f"{uploaded}/top.parquet", f"{uploaded}/tenant_id=a b"], tmp_path / "scratch")
    assert [part.path.removeprefix(uploaded) for part in found.inputs] == [
        "/top.parquet", "/tenant_id=a b/surface=home/day=2026-02-01/part.parquet",
    ]  # fmt: skip
    with pytest.raises(InputError, match="the same file is given twice"):
        accepted([f"{uploaded}/top.parquet", uploaded], tmp_path / "scratch")
    with pytest.raises(InputError, match=r"no log is there .found nothing"):
        accepted([f"{uploaded}/nothing.parquet"], tmp_path / "scratch")


def test_a_prefix_of_both_kinds_is_refused(partitioned, uploaded, tmp_path, s3):
    """Rows of one kind must not be passed over in silence, in a folder, below it, or in a store."""
    folder, _ = partitioned
    (folder / "exposures.jsonl").write_text("")
    if uploaded.startswith("s3"):
        s3_server.client(s3).put_object(Bucket=s3_server.BUCKET, Key=f"{tmp_path.name}/a/1.jsonl.zst", Body=b"")
    for spec in (uploaded, str(folder)):
        with pytest.raises(UsageError, match="either JSONL or Parquet"):
            sources.from_options([spec], ["o.jsonl"])


def test_a_dataset_takes_urls_of_parquet(partitioned, uploaded, tmp_path):
    """With its type or without, alone or in a list."""
    path = tmp_path / "d.yaml"
    for text in (uploaded, f"{{path: '{uploaded}'}}", f"{{type: parquet, path: ['{uploaded}/']}}"):
        path.write_text(f"exposures: {text}\noutcomes: o.jsonl\n")
        assert sources.read(str(path)).exposures.kind == "parquet"

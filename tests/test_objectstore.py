"""Object stores: what is put is there whole, read back in pieces, never overwritten; errors tell no secrets."""

import socket
import subprocess
import sys
import threading
import time

import pytest

import s3_server
from recsys import objectstore
from recsys.errors import InputError, StorageError
from recsys.objectstore import Object, Store, check_url, is_url, shown


@pytest.fixture(scope="module")
def s3():
    """A server with a bucket, for all tests of this file."""
    with s3_server.running() as variables:
        yield variables


@pytest.fixture(params=["file", "s3"])
def store_of(request, tmp_path, monkeypatch, s3):
    """A function that opens a store, in a folder and in a bucket."""
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    base = f"file://{tmp_path}/a%20b" if request.param == "file" else f"s3://logs/{tmp_path.name}"
    return lambda path="", **named: Store(f"{base}{path}", **named)


def test_an_object_comes_back_as_it_was(store_of, tmp_path, monkeypatch):
    """What is put is there with its size, in the list and to be read; empty, small, and of several pieces."""
    monkeypatch.setattr(objectstore, "PIECE_BYTES", 5 << 20)
    store = store_of()
    assert (store.head("x"), list(store.list()), list(store.list("x/"))) == (None, [], [])
    contents = {"x/y/empty": b"", "x/y/small": b"abc", "x/large": bytes(range(256)) * 50_000, "z": b"z"}
    for key, content in contents.items():
        (tmp_path / "source").write_bytes(content)
        store.put(key, tmp_path / "source")
    for key, content in contents.items():
        assert store.head(key) == len(content)
        assert b"".join(store.read(key)) == content
    assert [len(piece) for piece in store.read("x/large")] == [5 << 20, 5 << 20, 12_800_000 - (10 << 20)]
    listed = {each.key: each.size for each in store.list("x")}
    assert listed == {key: len(content) for key, content in contents.items() if key.startswith("x/")}
    assert sorted(each.key for each in store_of("/x/").list()) == ["large", "y/empty", "y/small"]
    store.delete("z")
    store.delete("z")
    assert store.head("z") is None


@pytest.mark.parametrize("conditional", ["etag", "disabled"])
def test_an_object_is_never_overwritten(store_of, tmp_path, monkeypatch, conditional):
    """A second one of the same name is refused, small or large, and the first one stays; also by a store that cannot
    refuse it itself."""
    monkeypatch.setenv("AWS_CONDITIONAL_PUT", conditional)
    monkeypatch.setattr(objectstore, "PIECE_BYTES", 5 << 20)
    store = store_of()
    for size in (3, 6 << 20):
        (tmp_path / "source").write_bytes(b"1" * size)
        store.put(f"k{size}", tmp_path / "source")
        (tmp_path / "source").write_bytes(b"2" * size)
        with pytest.raises(StorageError, match=f"k{size}: an object of this name is there already"):
            store.put(f"k{size}", tmp_path / "source")
        assert set(b"".join(store.read(f"k{size}"))) == {ord("1")}


def test_a_transfer_that_is_ended_leaves_nothing(store_of, tmp_path, monkeypatch):
    """`going` may end an upload between two pieces: no object is there, and no upload is left open."""
    monkeypatch.setattr(objectstore, "PIECE_BYTES", 5 << 20)

    class EndedError(Exception):
        pass

    pieces = []

    def going():
        pieces.append(1)
        if len(pieces) > 2:
            raise EndedError

    store = store_of(going=going)
    (tmp_path / "source").write_bytes(b"x" * (16 << 20))
    with pytest.raises(EndedError):
        store.put("k", tmp_path / "source")
    assert store.head("k") is None
    assert list(store.list()) == []


THERE_AND_BACK = """
import resource, sys
from pathlib import Path
from recsys.objectstore import Store
url, key, source = sys.argv[1:]
store = Store(url)
store.put(key, Path(source))
print(sum(len(piece) for piece in store.read(key)), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10)
"""


def test_memory_is_bounded(store_of, tmp_path):
    """An object of 160 MB goes there and back in a few pieces: it takes far less memory than it has bytes."""
    peaks = []
    for size in (1 << 20, 160 << 20):
        with (tmp_path / "source").open("wb") as file:
            file.truncate(size)
        words = [sys.executable, "-c", THERE_AND_BACK, store_of().url_of(), str(size), str(tmp_path / "source")]
        read, peak = subprocess.run(words, capture_output=True, check=True, timeout=120).stdout.split()
        assert int(read) == size
        peaks.append(int(peak))
    assert peaks[1] - peaks[0] < 80 << 20


def test_nothing_is_there(store_of):
    """To read what is not there is an input error that names its URL."""
    with pytest.raises(InputError, match="no/such: no such object"):
        list(store_of().read("no/such"))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://host/x?sig=hunter2", "http://host/x: not an object store"),
        ("ftp://me:hunter2@host/x", "ftp://host/x: not an object store"),
        ("s3://me:hunter2@bucket/x", "s3://bucket/x: a user, a query or a fragment"),
        ("s3://me:hunter2/rest@bucket/x", "s3://bucket/x: a user, a query or a fragment"),
        ("az://c/x?sig=hunter2", "az://c/x: a user, a query or a fragment"),
        ("s3:///x", "s3:///x: the bucket is missing"),
        ("file://logs/x", "file://logs/x: not an absolute path"),
        ("memory:///x", "not an object store"),
    ],
)
def test_urls_that_are_refused(url, told):
    """A URL of no store, or with secrets in it, is refused; the secrets are not repeated."""
    for use in (check_url, Store):
        with pytest.raises(InputError) as caught:
            use(url)
        assert told in str(caught.value)
        assert "hunter2" not in str(caught.value)


def test_what_is_a_url():
    """Paths are none, also with a colon; a URL is shown without its secrets."""
    assert [is_url(text) for text in ("s3://b/x", "S3://b", "x-y+z://", "a:b", "/a://b", "C:/x", "-", "a/s3://b")] == [
        True, True, True, False, False, False, False, False,
    ]  # fmt: skip
    assert shown("s3://me:pw@b/x?a=b#c") == "s3://b/x"
    assert shown("s3://me:p/w@b/x") == "s3://b/x"
    assert shown("file:///a@b/c") == "file:///a@b/c"


def test_a_folder_is_only_made_when_something_is_put(tmp_path):
    """Looking for objects makes no folder."""
    store = Store(f"file://{tmp_path}/new/")
    assert (store.head("k"), list(store.list())) == (None, [])
    assert list(tmp_path.iterdir()) == []
    assert store.url_of("k") == f"file://{tmp_path}/new/k"
    assert Store("file:///").url_of("k") == "file:///k"


def test_a_store_that_refuses(monkeypatch, tmp_path, s3):
    """A bucket that is not there: the URL, the store's own code, what to do; no key, no secret, no raw reply."""
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "source").write_bytes(b"x")
    with pytest.raises(StorageError) as caught:
        Store("s3://nobody/here").put("k", tmp_path / "source")
    told = str(caught.value)
    assert told.startswith("s3://nobody/here/k: cannot be written (found ")
    assert "NoSuchBucket" in told
    assert "AWS_ACCESS_KEY_ID" in told
    assert not any(secret in told for secret in (s3_server.KEY_ID, s3_server.SECRET, "<", "Debug source", "\n"))
    with pytest.raises(StorageError, match=r"s3://nobody/here/: cannot be listed .*NoSuchBucket"):
        list(Store("s3://nobody/here").list())


def test_a_store_that_does_not_answer(monkeypatch, tmp_path, s3):
    """Nobody listens: told in seconds."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for name, value in {**s3, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "source").write_bytes(b"x")
    began = time.monotonic()
    with pytest.raises(StorageError, match="s3://logs/k: cannot be written") as caught:
        Store("s3://logs/").put("k", tmp_path / "source")
    assert "\n" not in str(caught.value)
    assert "Debug source" not in str(caught.value)
    with pytest.raises(StorageError) as again:
        Store("s3://logs/").put("k", tmp_path / "source")
    assert str(again.value) == str(caught.value), "whoever tries every few seconds may say it once"
    assert time.monotonic() - began < 20


def test_a_folder_that_cannot_be_written(tmp_path):
    """A file in the way of a folder is told like a store that refuses."""
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(StorageError, match=r"file/k: cannot be written \(found .*(exists|directory).*permissions"):
        Store(f"file://{tmp_path}/file").put("k", tmp_path / "file")


def test_two_writers_of_one_name(store_of, tmp_path):
    """Of several that put a small object at once, one does, and what is there is that one's."""
    done = []

    def put(number):
        source = tmp_path / f"source{number}"
        source.write_bytes(b"%d" % number)
        try:
            store_of().put("k", source)
        except StorageError:
            return
        done.append(b"%d" % number)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 1
    assert b"".join(store_of().read("k")) == done[0]


def test_the_library_is_imported_late():
    """Who opens no store does not pay for the library."""
    code = "import sys, recsys.eventlog.upkeep.ship, recsys.eventlog.reader; sys.exit('obstore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_objects_are_values():
    """An object of a list is told by key and size."""
    assert Object("a", 1) == Object("a", 1)

"""The salt: refused when weak in production, made once elsewhere."""

import subprocess
import sys

import pytest

from recsys.errors import ConfigError, StorageError
from recsys.eventlog import salt

STRONG = "0f9c2b7e5d1a4863b0c7e2f94d6a8b1357ce9024ad68f1b3e5970c2d4f6a8b1e"


def test_the_given_salt_counts(tmp_path):
    """A salt that is set is used as it is, and nothing is written."""
    assert salt.load(STRONG, data_dir=tmp_path / "new", production=True) == STRONG.encode()
    assert salt.load("short", data_dir=tmp_path / "new", production=False) == b"short"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "no salt is set"),
        ("", "no salt is set"),
        ("x" * 31, "too short"),
        ("change-me-change-me-change-me-change-me", "placeholder"),
        ("CHANGEME" * 8, "placeholder"),
        ("your-salt-goes-here-0123456789abcdef", "placeholder"),
        ("a" * 64, "placeholder"),
    ],
)
def test_production_refuses_a_weak_salt(tmp_path, value, problem):
    """A missing, short or well-known salt stops the start; the message names the variable and never the salt."""
    with pytest.raises(ConfigError, match=problem) as raised:
        salt.load(value, data_dir=tmp_path, production=True)
    assert "EXPOSURE_HASH_SALT" in str(raised.value)
    assert not value or value not in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_elsewhere_a_salt_is_made_and_kept(tmp_path):
    """The first start makes a salt that only its owner can read, and later ones use it."""
    folder = tmp_path / "data"
    first = salt.load(None, data_dir=folder, production=False)
    assert len(first) == 64
    assert salt.load(None, data_dir=folder, production=False) == first
    [file] = folder.iterdir()
    assert file.name == "exposure-hash-salt"
    assert file.stat().st_mode & 0o777 == 0o600


def test_processes_that_start_together_share_one_salt(tmp_path):
    """Eight starts at once end up with one salt and leave nothing else behind."""
    code = (
        "import sys, pathlib; from recsys.eventlog import salt; sys.stdin.read(1);"
        "print(salt.load(None, data_dir=pathlib.Path(sys.argv[1]), production=False).decode())"
    )
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "data")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(8)
    ]
    for process in starts:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    assert len({process.communicate()[0] for process in starts}) == 1
    assert len(list((tmp_path / "data").iterdir())) == 1


def test_threads_share_one_salt(tmp_path):
    """So do threads of one process."""
    from concurrent.futures import ThreadPoolExecutor

    for number in range(10):
        with ThreadPoolExecutor(8) as pool:
            folder = tmp_path / str(number)
            made = [pool.submit(salt.load, None, data_dir=folder, production=False) for _ in range(8)]
        assert len({future.result() for future in made}) == 1


def test_an_empty_or_unreachable_file_is_refused(tmp_path):
    """No salt is not a salt; and a folder that cannot be made is one StorageError."""
    (tmp_path / "exposure-hash-salt").touch()
    with pytest.raises(StorageError, match="is empty"):
        salt.load(None, data_dir=tmp_path, production=False)
    with pytest.raises(StorageError, match="cannot be kept"):
        salt.load(None, data_dir=tmp_path / "exposure-hash-salt", production=False)

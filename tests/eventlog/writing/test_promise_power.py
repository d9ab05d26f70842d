"""P1: what was acknowledged is there, after a power cut (with fsync) and after the process was killed (without)."""

import errno
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from broken_writers import promise
from log_world import World, claim, killed_threads
from model_files import Crash
from recsys.eventlog.writing import places
from recsys.eventlog.writing.writer import LogWriter

STEP = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 4)),
    st.tuples(st.just("append"), st.integers(1, 4)),
    st.tuples(st.sampled_from(["day", "tick", "close", "recover"]), st.just(0)),
    st.tuples(st.just("crash"), st.integers(1, 25)),
    st.tuples(st.just("power"), st.integers(0, 1 << 16)),
    st.tuples(st.just("fault"), st.integers(0, 8 * 3 - 1)),
)
FAULTY = ("write", "fdatasync", "fsync", "ftruncate", "pwrite", "open", "rename", "unlink")
QUICK = settings(
    max_examples=150,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def _live(writer: type[LogWriter], steps: list[tuple[str, int]], *, folder: bool, fsync: bool) -> None:
    """Steps of a life, ended by a power cut (or a kill) and a recovery, and the books compared."""
    with tempfile.TemporaryDirectory() as base, killed_threads():
        world = World(Path(base), writer, folder=folder, fsync=fsync, segment_bytes=150)
        log: LogWriter | None = None
        for step, number in steps:
            try:
                log = _step(world, log, step, number)
            except Crash:
                world.kill()
                log = None
        world.disk.crash_at = 0
        world.disk.heal()
        world.kill()
        if fsync:
            world.power_cut(len(steps))
        world.recover()
        world.check(whole=not fsync)


def _step(world: World, log: LogWriter | None, step: str, number: int) -> LogWriter | None:
    """One step; returns the writer that lives then."""
    if step in {"append", "tick", "close"}:
        log = log or world.start()
        if step == "append":
            world.append(log, number)
        elif step == "tick":
            log.tick()
        else:
            log.close()
        return None if step == "close" else log
    if step == "power" and not world.settings.fsync:
        return log
    _strike(world, step, number)
    return None if step == "power" else log


def _strike(world: World, step: str, number: int) -> None:
    """What happens to a writer."""
    if step == "crash":
        world.disk.crash_at = world.disk.operations + number
    elif step == "fault":
        world.disk.fail(FAULTY[number % 8], 1 + number // 8, errno.EIO)
    elif step == "power":
        world.power_cut(number)
    elif step == "recover":
        world.recover()
    else:
        world.now += timedelta(days=1)


def _any_life(writer: type[LogWriter], *, folder: bool, fsync: bool) -> None:
    @QUICK
    @given(st.lists(STEP, min_size=2, max_size=14))
    def live(steps: list[tuple[str, int]]) -> None:
        _live(writer, steps, folder=folder, fsync=fsync)

    live()


@promise("p1 power cut in a folder")
def test_p1_acknowledged_with_fsync_survives_a_power_cut_in_a_folder(writer):
    """Over appends, days, rolls, ticks, closes, kills, power cuts and recoveries nothing acknowledged is lost."""
    _any_life(writer, folder=True, fsync=True)


@promise("p1 power cut in a file")
def test_p1_acknowledged_with_fsync_survives_a_power_cut_in_a_file(writer):
    """The same for a log that is one file."""
    _any_life(writer, folder=False, fsync=True)


@promise("p1 killed in a folder")
def test_p1_acknowledged_without_fsync_survives_a_kill_in_a_folder(writer):
    """A process that is killed at any operation loses nothing that it acknowledged."""
    _any_life(writer, folder=True, fsync=False)


@promise("p1 killed in a file")
def test_p1_acknowledged_without_fsync_survives_a_kill_in_a_file(writer):
    """The same for a log that is one file."""
    _any_life(writer, folder=False, fsync=False)


@pytest.mark.parametrize("folder", [True, False])
def test_p1_a_power_cut_at_every_operation(tmp_path, folder):
    """A fixed life, with the power cut at its n-th operation for every n, and several disks for each."""
    steps = [("append", 2), ("append", 3), ("day", 0), ("append", 1), ("tick", 0), ("append", 2), ("close", 0)]
    for number in range(1, 90):
        for seed in range(2):
            _live(LogWriter, [("crash", number), *steps, ("power", seed + 2 * number)], folder=folder, fsync=True)


def test_p1_the_name_of_a_new_folder_is_flushed(tmp_path):
    """Of a folder that the log makes, the folder above is flushed: or the power cut takes the log with its folder."""
    world = World(tmp_path, LogWriter, folder=True, fsync=True)
    flushed: list[str] = []
    process = world.disk.process()
    sync = world.disk._sync_folder
    world.disk._sync_folder = lambda folder: (flushed.append(str(folder)), sync(folder))[1]
    places.make_folder(process, tmp_path / "a" / "b", durable=True)
    claim(set(flushed) == {str(tmp_path), str(tmp_path / "a")}, f"flushed: {flushed}")

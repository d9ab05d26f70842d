"""Three minutes in which everything goes wrong at once, and nothing may be lost unseen."""

import os
import random
import signal
import time
from collections import Counter
from datetime import UTC, datetime

import psutil
import pytest

from http_load import Load
from live_logs import SmallDisk, check_accounts, logged_ids, until, workers
from recsys.eventlog.audit import verify
from recsys.eventlog.writing import recovery

SECONDS = 180


@pytest.mark.long
@pytest.mark.timeout(600)
def test_three_minutes_of_kills_and_full_disks(make_world, tmp_path, tell):
    """Workers are killed at random while the disk fills and empties: every answer that says logged is in the log once,
    every other is told by its flag or counted in a gap."""
    chance = random.Random(20260205)
    disk = SmallDisk(tmp_path / "logs", "160m")
    world = make_world(3, EXPOSURE_LOG_PATH=f"{disk.folder}/", ASSIGNMENT_LOG_PATH="", OUTCOME_LOG_PATH="",
                       within=disk.within)  # fmt: skip
    disk.enter(world.server.process.pid)
    done: Counter = Counter()
    load = Load(world.server.url, world.key, connections=12, pause=0.005)
    end = time.monotonic() + SECONDS
    full = False
    with load:
        while time.monotonic() < end:
            time.sleep(chance.uniform(0.3, 3))
            what = chance.choice(["kill", "kill", "fill" if not full else "free"])
            if what == "kill":
                alive = [worker for worker in workers(world.server) if worker.is_running()]
                if alive:
                    os.kill(chance.choice(alive).pid, signal.SIGKILL)
            elif what == "fill":
                disk.fill()
                full = True
            else:
                disk.free()
                full = False
            done[what] += 1
        disk.free()
        until(lambda: sum(reply.logged for reply in load.replies[-30:]) > 25, 60)
    assert world.server.stop() == 0
    for _ in recovery.recover(disk.seen, "exposure", now=datetime.now(UTC)):
        pass
    counts = check_accounts(load.replies, logged_ids(disk.seen))
    found = list(verify.verify_folder(disk.seen, "exposure"))
    lost = sum(gap.lost for each in found for gap in each.gaps)
    torn = sum(path.stat().st_size for path in disk.seen.glob("*.torn"))
    tell(
        f"{done['kill']} workers killed, the disk filled {done['fill']} times; {len(load.replies):,} requests: "
        f"{counts['logged']:,} logged and in the log once, {counts['200']:,} answered with a flag, "
        f"{counts['503']:,} refused, {counts['0']:,} cut off without an answer; "
        f"{lost:,} lines counted in {sum(len(each.gaps) for each in found)} gaps, {torn:,} torn bytes kept; "
        f"{len(found)} segments"
    )
    assert done["kill"] > 40
    assert done["fill"] > 10
    assert counts["logged"] > 5_000
    assert counts["200"] > 500
    assert set(counts) <= {"logged", "200", "503", "0"}
    # A gap counts what a worker told, but for workers that came up on a full disk and were killed before it had room;
    # and what it was about to tell when it was killed.
    assert lost <= counts["200"] + counts["0"]
    assert not [fault for each in found for fault in each.faults]
    assert all(each.sealed for each in found)
    assert not [child for child in psutil.Process().children() if child.pid == world.server.process.pid]

"""P1: no reply leaves before its exposure is written, and with fsync flushed, in the order of system calls."""

import re
import signal
import subprocess
from pathlib import Path

import pytest

from http_load import Load
from live_logs import tool, workers

CALLS = "write,writev,pwrite64,sendto,sendmsg,fdatasync,fsync"
CALL = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)(.*)$", re.DOTALL)


class Call:
    """One system call: when it began and ended, counted in lines of the trace."""

    def __init__(self, name: str, text: str, began: int) -> None:
        self.name = name
        self.text = text
        self.began = began
        self.ended = began

    @property
    def path(self) -> str:
        """The file or socket of the descriptor."""
        found = re.match(r"\(\d+<(.*?)>[,) ]", self.text)
        return "" if found is None else found[1]


def calls_of(trace: Path) -> list[Call]:
    """The calls of a trace; one that was interrupted by others in the trace is put together again."""
    open_calls: dict[str, Call] = {}
    done: list[Call] = []
    for number, line in enumerate(trace.read_text(errors="replace").splitlines()):
        found = CALL.match(line)
        if found is None:
            continue
        pid, name, rest = found.groups()
        if " resumed>" in line[:60]:
            call = open_calls.pop(pid, None)
            if call is None:
                continue
            call.text += rest
            call.ended = number
        else:
            call = Call(name, rest, number)
        if line.endswith("<unfinished ...>"):
            open_calls[pid] = call
        else:
            done.append(call)
    return done


def check_order(trace: Path, *, flushed: bool) -> int:
    """Fails where a reply was sent before its exposure was written (``flushed``: and flushed). Returns the replies."""
    calls = calls_of(trace)
    written: dict[str, Call] = {}
    for call in calls:
        if call.name == "write" and call.path.endswith(".jsonl"):
            for name in re.findall(r'request_id\\":\\"(trace-\d+)', call.text):
                written[name] = call
    flushes = [call for call in calls if call.name == "fdatasync" and call.text.rstrip().endswith("= 0")]
    replies = 0
    for call in sorted(calls, key=lambda each: each.began):
        if not call.path.startswith("TCP"):
            continue
        for name in re.findall(r"x-request-id: (trace-\d+)", call.text):
            replies += 1
            line = written.get(name)
            assert line is not None, f"{name} was answered, and never written"
            assert line.ended < call.began, f"{name} was answered before it was written"
            if flushed:
                covered = any(line.ended < flush.began and flush.ended < call.began and flush.path == line.path
                              for flush in flushes)  # fmt: skip
                assert covered, f"{name} was answered before it was flushed"
    return replies


def traced(world, folder: Path, *, seconds: float = 2.0) -> Path:
    """The system calls of the one worker of a service under load."""
    trace = folder / "trace"
    (worker,) = workers(world.server)
    strace = subprocess.Popen(
        [tool("strace"), "-f", "-yy", "-s", "100000", "-e", f"trace={CALLS}", "-o", str(trace), "-p", str(worker.pid)],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert strace.stderr is not None
        assert "attached" in strace.stderr.readline()
        replies = Load(world.server.url, world.key, connections=8, name="trace").run(seconds)
    finally:
        strace.send_signal(signal.SIGINT)
        strace.communicate(timeout=20)
    assert sum(reply.logged for reply in replies) > 50
    return trace


@pytest.mark.long
@pytest.mark.parametrize("fsync", ["false", "true"])
@pytest.mark.parametrize("kind", ["folder", "file"])
def test_p1_no_reply_leaves_before_its_exposure(make_world, tmp_path, fsync, kind):
    """In the order of system calls each reply comes after the write of its exposure, and with fsync after a flush."""
    path = f"{tmp_path}/logs/" if kind == "folder" else f"{tmp_path}/exposures.jsonl"
    world = make_world(EXPOSURE_LOG_PATH=path, EXPOSURE_LOG_FSYNC=fsync)
    assert check_order(traced(world, tmp_path), flushed=fsync == "true") > 50
    world.server.stop()


@pytest.mark.long
@pytest.mark.parametrize(("broken", "told"), [("flushes_after_the_reply", "flushed"), ("never_flushes", "flushed"),
                                              ("writes_after_the_reply", "written")])  # fmt: skip
def test_p1_sees_a_broken_writer(make_world, tmp_path, broken, told):
    """The same check fails for a writer that answers too early."""
    world = make_world(EXPOSURE_LOG_PATH=f"{tmp_path}/logs/", EXPOSURE_LOG_FSYNC="true", broken=broken)
    with pytest.raises(AssertionError, match=f"before it was {told}|never written"):
        check_order(traced(world, tmp_path), flushed=True)
    world.server.stop()

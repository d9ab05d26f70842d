"""Logs that a running service writes to are evaluated as they were at one moment."""

import hashlib
import json
import signal
import subprocess
import sys

WRITER = """
import itertools, sys, time
log = open(sys.argv[1], "ab", buffering=0)
line = open(sys.argv[1], "rb").readline()
print("writing", flush=True)
for number in itertools.count():
    new = line.replace(b'"r0"', b'"new-%d"' % number)
    log.write(new[:90])
    log.write(new[90:])
    time.sleep(0.0005)
"""
ROWS = 40_000


def test_a_log_that_grows_while_it_is_read(recsys_eval, write, exposure, outcome, tmp_path):
    """A process that appends, each line in two parts: no negative count, no abort, and the hash is of what was read."""
    shown = write("e.jsonl", *map(exposure, range(ROWS)))
    done = write("o.jsonl", *map(outcome, range(0, ROWS, 8)))
    with subprocess.Popen([sys.executable, "-c", WRITER, shown], stdout=subprocess.PIPE) as writer:
        try:
            assert writer.stdout is not None
            writer.stdout.readline()
            ran = recsys_eval("run", "--exposures", shown, "--outcomes", done, "--output", tmp_path / "r.json")
        finally:
            writer.send_signal(signal.SIGKILL)
    assert (ran.status, ran.out[:5]) == (0, "pass:")
    report = json.loads((tmp_path / "r.json").read_text())
    counts, read = report["data_quality"]["exposures"], report["inputs"][0]
    content = shown.read_bytes()
    assert ROWS <= counts["rows"] == content[: read["bytes"]].count(b"\n") + (counts["invalid"] > 0)
    assert len(content) > read["bytes"]
    assert counts["invalid"] <= 1  # the line that was half written at that moment
    assert (counts["redelivered"], counts["distinct"]) == (0, counts["rows"] - counts["invalid"])
    assert read["sha256"] == hashlib.sha256(content[: read["bytes"]]).hexdigest()

"""P7: real logrotate takes a log away under load, and nothing is lost."""

import collections
import re
import subprocess
import time

import pytest

from http_load import Load
from live_logs import check_accounts, logged_ids, tool
from recsys.eventlog.audit import verify

ROTATE = """{path} {{
    rotate 10000
    size 1
    missingok
    {compress}
}}
"""


def rotated(make_world, tmp_path, compress: str, *, broken: str | None = None):
    """A service under load whose log logrotate takes away again and again; returns (world, replies, all logged ids)."""
    log = tmp_path / "logs" / "exposures.jsonl"
    world = make_world(2, EXPOSURE_LOG_PATH=str(log), ASSIGNMENT_LOG_PATH="", OUTCOME_LOG_PATH="", broken=broken)
    configured = tmp_path / "logrotate.conf"
    configured.write_text(ROTATE.format(path=log, compress=compress))
    configured.chmod(0o600)
    load = Load(world.server.url, world.key, connections=8)
    with load:
        for _ in range(12):
            time.sleep(0.4)
            subprocess.run([tool("logrotate"), "-f", "-s", str(tmp_path / "state"), str(configured)], check=True)
    if broken is None:
        assert world.server.stop() == 0
    else:
        world.server.stop()
    for packed in log.parent.glob("exposures.jsonl.*.gz"):
        subprocess.run(["gzip", "-d", str(packed)], check=True)
    files = [path for path in log.parent.iterdir() if re.fullmatch(r"exposures\.jsonl(\.\d+)?", path.name)]
    assert broken is not None or len(files) > 6
    found: collections.Counter = collections.Counter()
    for path in files:
        found.update(logged_ids(path.parent, path.name))
    return log, load.replies, found


@pytest.mark.long
@pytest.mark.parametrize("compress", ["", "compress\n    delaycompress", "compress"])
def test_p7_logrotate_loses_nothing(make_world, tmp_path, compress, tell):
    """Two workers in one file that logrotate renames, and compresses later or at once: all lines are there once."""
    log, replies, found = rotated(make_world, tmp_path, compress)
    counts = check_accounts(replies, found)
    tell(f"answers {dict(counts)}, as many lines in the log")
    assert set(counts) == {"logged"}
    assert len(found) == counts["logged"]
    if not compress:
        for path in log.parent.iterdir():
            if re.fullmatch(r"exposures\.jsonl(\.\d+)?", path.name):
                assert not verify.verify_file(path).faults


@pytest.mark.long
def test_p7_sees_a_writer_that_keeps_to_the_renamed_file(make_world, tmp_path):
    """The same count fails for a writer that never looks whether its file was renamed."""
    _, replies, found = rotated(make_world, tmp_path, "compress", broken="keeps_to_the_renamed_file")
    with pytest.raises(AssertionError, match="are not in the log"):
        check_accounts(replies, found)

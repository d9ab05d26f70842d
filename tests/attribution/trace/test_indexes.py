"""What the indexes beside a log tell: losses at the time of the request, and a subject that had another pseudonym."""

import lossy_logs
from recsys.attribution import sources
from recsys.attribution.policy import Policy
from recsys.attribution.trace.trace import Asked, trace
from recsys.eventlog.writing.index import Alias, encoded

from .conftest import NOW


def traced(folder, request_id, made, **gaps):
    named = sources.from_options(**lossy_logs.write(folder, made, **gaps))
    return trace(named, Asked(request_id=request_id, policy=Policy()), NOW)


def test_losses_at_the_time_of_the_request(tmp_path):
    """A gap is told where it was at that time, or where no exposure has the id; else it is not."""
    rows = lossy_logs.rows(4)
    rows["exposures"][1] = {**rows["exposures"][1], "ts": "2026-02-05T20:00:00Z"}
    near = traced(tmp_path, "r0", rows, exposures=[(3, 0)], outcomes=[(0, 2)])
    assert [(gap.log, gap.lost, gap.refused) for gap in near.gaps] == [("exposures", 3, 0), ("outcomes", 0, 2)]
    assert near.gaps[0].file.endswith(lossy_logs.SEGMENTS["exposures"])
    assert traced(tmp_path, "r1", rows, exposures=[(3, 0)]).gaps == []
    unknown = traced(tmp_path, "nobody", rows, exposures=[(3, 0)])
    assert len(unknown.gaps) == 1
    assert "lost" in " ".join(unknown.checks)


def test_a_subject_under_two_salts_is_one(tmp_path):
    """Its rows before and after the change are of one subject, and an outcome under the other pseudonym is its own."""
    rows = lossy_logs.rows(3)
    rows["exposures"][1] = {**rows["exposures"][1], "user_id": "old-0"}
    rows["outcomes"] = [{**rows["outcomes"][0], "user_id": "old-0"}]
    lossy_logs.write(tmp_path, rows)
    index = tmp_path / f"{lossy_logs.SEGMENTS['exposures']}.index"
    before = traced_again(tmp_path)
    index.write_bytes(index.read_bytes() + encoded(Alias(previous="old-0", current="u0")))
    after = traced_again(tmp_path)
    assert before.around.rows == []
    assert "another user" in before.rows[-1].reason
    assert after.around.user_ids == ["old-0", "u0"]
    assert [row.request_id for row in after.around.rows] == ["r1"]
    assert "another user" not in after.rows[-1].reason


def traced_again(folder):
    """Request r0 of the logs that are there."""
    files = {role: [str(folder / lossy_logs.SEGMENTS[role])] for role in ("exposures", "outcomes")}
    return trace(sources.from_options(**files), Asked(request_id="r0", policy=Policy()), NOW)

"""Which files of a log folder are old: its own, by the day in their names, and no others."""

from datetime import date

from recsys.eventlog.upkeep import retention
from recsys.eventlog.writing.segment import SegmentName

TODAY = date(2026, 2, 5)


def test_names():
    """A segment names its log, its UTC day and its writer."""
    assert str(SegmentName("exposure", TODAY, "w1-7")) == "exposure-2026-02-05.w1-7.jsonl"


def test_only_old_files_of_the_same_log_expire(tmp_path):
    """Other logs, other endings, other names and whatever is not a file stay."""
    old = ["exposure-2026-01-05.a.jsonl", "exposure-2026-01-05.b_2.jsonl.torn", "exposure-1999-12-31.a.jsonl"]
    kept = [
        "exposure-2026-01-06.a.jsonl",
        "exposure-2026-02-05.a.jsonl",
        "exposure-2027-01-01.a.jsonl",
        "outcome-2026-01-05.a.jsonl",
        "my-exposure-2026-01-05.a.jsonl",
        "exposure-2026-01-05.a.jsonl.gz",
        "exposure-2026-01-05.jsonl",
        "exposure-2026-01-05.a.jsonl.bak",
        "exposure-2026-13-05.a.jsonl",
        "exposure-2026-02-30.a.jsonl",
        "exposure-final.a.jsonl",
        "notes.txt",
    ]
    for name in old + kept:
        (tmp_path / name).touch()
    (tmp_path / "exposure-2020-01-01.a.jsonl").mkdir()
    found = retention.expired(tmp_path, "exposure", today=TODAY, keep_days=30)
    assert sorted(path.name for path in found) == sorted(old)


def test_a_name_with_pattern_characters_is_itself(tmp_path):
    """The name of a log is no pattern."""
    (tmp_path / "exposure-2020-01-01.a.jsonl").touch()
    assert retention.expired(tmp_path, "e.posure", today=TODAY, keep_days=1) == []

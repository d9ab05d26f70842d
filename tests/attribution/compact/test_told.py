"""What was known of the logs is known of the folder that was made of them: losses, pseudonyms, lines not valid."""

import itertools
import json
import os
import shutil
from datetime import timedelta

import msgspec
import pytest

import lossy_logs
from compact_worlds import exposure, outcome, parts, run, write
from recsys.attribution import sources
from recsys.attribution.engine import parquet
from recsys.errors import InputError
from recsys.eventlog.writing.index import Alias, Gap, Header, encoded, header_line


def accepted(folder, *specs):
    scratch = folder / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    return sources.accept_dataset(sources.from_options(*[[str(spec)] for spec in specs]), scratch)


def test_gaps_and_aliases_are_those_of_the_logs(tmp_path):
    """Reading the folder tells the gaps and the pseudonyms that reading the logs tells."""
    logs = lossy_logs.write(tmp_path / "logs", lossy_logs.rows(20), exposures=[(3, 0), (0, 2)], outcomes=[(1, 0)])
    with (tmp_path / "logs/exposure-2026-02-05.w1-1.jsonl.index").open("ab") as index:
        index.write(encoded(Alias(previous="a", current="b")) + encoded(Alias(previous="b", current="c")))
    run(tmp_path / "out", **logs)
    expected = accepted(tmp_path, logs["exposures"][0], logs["outcomes"][0])
    found = accepted(tmp_path, tmp_path / "out/exposures", tmp_path / "out/outcomes")
    assert found.gaps == expected.gaps
    assert len(found.gaps) == 3
    assert found.aliases == expected.aliases == {"a": "c", "b": "c"}


def test_a_gap_that_went_on_is_told_as_it_ended(tmp_path):
    """First seen while it was not over, later in the index for good, with more, and under another name: once, whole."""
    log = tmp_path / "logs" / lossy_logs.SEGMENTS["exposures"]
    write(log, [exposure(1)])
    begun = Gap(lost=2, first=lossy_logs.BEGUN, last=lossy_logs.BEGUN, reason="full")
    header = Header(log="exposure", file=log.name, writer="w1", sequence=1, opened=lossy_logs.BEGUN, pending=begun)
    index = log.with_name(f"{log.name}.index")
    index.write_bytes(header_line(header))
    clicks = write(tmp_path / "o.jsonl", [outcome(1)])
    run(tmp_path / "out", exposures=[str(log)], outcomes=[clicks])
    ended = Gap(lost=9, first=lossy_logs.BEGUN, last=lossy_logs.BEGUN + timedelta(hours=1), reason="full")
    other = Gap(lost=1, first=lossy_logs.BEGUN, last=lossy_logs.BEGUN, reason="another")
    index.write_bytes(
        header_line(msgspec.structs.replace(header, pending=msgspec.UNSET)) + encoded(ended) + encoded(other)
    )
    for _ in range(2):
        run(tmp_path / "out", exposures=[str(log)])
        told = accepted(tmp_path, tmp_path / "out/exposures", tmp_path / "out/outcomes").gaps
        assert [(gap.reason, gap.lost, gap.last) for gap in told] == [
            ("another", 1, other.last), ("full", 9, ended.last)
        ]  # fmt: skip


def test_lines_that_are_not_valid_count(tmp_path):
    """Rows, invalid ones among them, faults and bad lines are as many as of the logs; each is told with the file that
    keeps it."""
    rows = [outcome(number) for number in range(9)]
    bad = [b"bad", json.dumps(outcome(1, event_type="view")).encode(), b""]
    shown = write(tmp_path / "e.jsonl", [exposure(number) for number in range(9)])
    done = write(tmp_path / "o.jsonl", [*rows[:4], *bad[:2], *rows[4:]])
    more = write(tmp_path / "o2.jsonl", [bad[2], rows[0]])
    run(tmp_path / "out", exposures=[shown], outcomes=[done])
    run(tmp_path / "out", outcomes=[done, more])
    expected = accepted(tmp_path, shown, tmp_path / "o*.jsonl")
    found = accepted(tmp_path, tmp_path / "out/exposures", tmp_path / "out/outcomes")
    assert (
        (found.outcomes.rows, found.outcomes.invalid) == (expected.outcomes.rows, expected.outcomes.invalid) == (13, 3)
    )
    assert sorted(fault.rule for fault in found.faults) == sorted(fault.rule for fault in expected.faults)
    kept = [
        part.plain.read_bytes()[line.offset : line.offset + line.length]
        for part in found.refused["outcomes"] for line in part.bad
    ]  # fmt: skip
    assert sorted(kept) == sorted(bad)
    assert sum(part.invalid for part in found.inputs if "_invalid" in part.path) == 3
    assert found.refused["exposures"] == []


def test_lines_that_are_gone(tmp_path):
    """Without the lines that were set aside nobody can say how many they were: it is refused, with what to do."""
    run(tmp_path / "out", outcomes=[write(tmp_path / "o.jsonl", [outcome(1), b"bad"])])
    shown = write(tmp_path / "e.jsonl", [exposure(1)])
    shutil.rmtree(tmp_path / "out/_invalid")
    with pytest.raises(InputError, match=r"missing from a compacted folder.*Put _invalid back"):
        accepted(tmp_path, shown, tmp_path / "out/outcomes")
    shutil.rmtree(tmp_path / "out/outcomes")
    with pytest.raises(InputError, match="no such file"):
        accepted(tmp_path, shown, tmp_path / "out/outcomes")


def days_of(tmp_path):
    """Two days of exposures, a gap on each, a bad line, and clicks."""
    logs = tmp_path / "logs"
    for day in (5, 6):
        log = logs / f"exposure-2026-02-0{day}.w1-1.jsonl"
        write(log, [exposure(1, ts=f"2026-02-0{day}T12:00:00Z"), *([b"bad"] if day == 5 else [])])
        begun = lossy_logs.BEGUN + timedelta(days=day - 5)
        gap = Gap(lost=day, first=begun, last=begun + timedelta(minutes=1), reason="full")
        header = Header(log="exposure", file=log.name, writer=f"w{day}", sequence=1, opened=begun)
        log.with_name(f"{log.name}.index").write_bytes(header_line(header) + encoded(gap))
    run(tmp_path / "out", exposures=[str(logs)], outcomes=[write(tmp_path / "o.jsonl", [outcome(1)])])
    return tmp_path / "out"


def test_of_one_day_only_its_gaps_are_told(tmp_path):
    """Parts of one day bring the gaps that touch it, and no bad lines, whose day nobody knows; so it is when the parts
    of an old day have been removed."""
    out = days_of(tmp_path)
    clicks = out / "outcomes"
    assert [gap.lost for gap in accepted(tmp_path, out / "exposures", clicks).gaps] == [5, 6]
    for day in (5, 6):
        found = accepted(tmp_path, out / f"exposures/**/day=2026-02-0{day}/*.parquet", clicks)
        assert [gap.lost for gap in found.gaps] == [day]
        assert (found.exposures.rows, found.exposures.invalid) == (1, 0)
    shutil.rmtree(next((out / "exposures").rglob("day=2026-02-05")))
    found = accepted(tmp_path, out / "exposures", clicks)
    assert ([gap.lost for gap in found.gaps], found.exposures.invalid) == ([6], 0)
    run(out, exposures=[str(tmp_path / "logs")])  # what was taken stays taken
    assert len(parts(out, "exposures")) == 1


def test_a_folder_in_an_object_store(tmp_path):
    """What was copied to a store tells the same from there."""
    out = days_of(tmp_path)
    expected = accepted(tmp_path, out / "exposures", out / "outcomes")
    url = f"file://{out}"
    found = accepted(tmp_path, f"{url}/exposures/", f"{url}/outcomes/")
    assert (found.gaps, found.aliases) == (expected.gaps, expected.aliases)
    assert (found.exposures.rows, found.exposures.invalid) == (expected.exposures.rows, 1)
    assert len(found.refused["exposures"][0].bad) == 1


def test_a_part_that_the_manifest_does_not_know_is_refused(tmp_path):
    """A run that is just putting its parts in place, or was killed then, must not be read in half."""
    out = days_of(tmp_path)
    [part] = parts(out, "outcomes")
    stray = part.with_name("part-0123456789abcdef-0123456789abcdef.parquet")
    shutil.copy(part, stray)
    for spec in (out / "outcomes", stray, f"file://{out}/outcomes/"):
        with pytest.raises(InputError, match="not in the manifest of its folder") as told:
            accepted(tmp_path, out / "exposures", spec)
        assert stray.name in str(told.value)


def test_other_parquet_tells_nothing(tmp_path):
    """A part that was copied to another place is a Parquet log like any other."""
    out = days_of(tmp_path)
    alone = shutil.copy(parts(out, "exposures")[0], tmp_path / "alone.parquet")
    found = accepted(tmp_path, alone, out / "outcomes")
    assert (found.exposures.rows, found.exposures.invalid, found.gaps) == (1, 0, [])


class Watched:
    """The functions of ``os``; ``look`` is called when half of the parts have their places."""

    def __init__(self, look, half):
        self._look, self._rest = look, half

    def __getattr__(self, name):
        return getattr(os, name)

    def rename(self, source, target):
        source.rename(target)
        self._rest -= 1
        if self._rest == 0:
            self._look()


def test_a_run_that_ends_while_the_folder_is_read(tmp_path, monkeypatch):
    """Who lists the files in the middle of its moves, and reads the manifest after them, sees all of them or none."""
    done = write(tmp_path / "o.jsonl", [outcome(1)])

    def refused():
        with pytest.raises(InputError, match="not in the manifest of its folder"):
            accepted(tmp_path, tmp_path / "first/exposures", done)

    log = write(tmp_path / "b.jsonl", [exposure(number) for number in range(9, 60)])
    run(tmp_path / "first", files=Watched(refused, 4), exposures=[log])
    run(tmp_path / "out", exposures=[write(tmp_path / "a.jsonl", [exposure(number) for number in range(9)])])
    half = []
    files = Watched(lambda: half.append(parquet.named_files([str(tmp_path / "out/exposures")])), 8)
    run(tmp_path / "out", files=files, exposures=[log])
    [listed] = half
    assert 0 < len(listed) < len(parts(tmp_path / "out", "exposures"))
    looks, real = [listed], parquet.named_files
    monkeypatch.setattr(parquet, "named_files", lambda specs: looks.pop() if looks else real(specs))
    assert accepted(tmp_path, tmp_path / "out/exposures", done).exposures.rows == 60
    assert looks == []
    changing = itertools.cycle([listed, real([str(tmp_path / "out/exposures")])])
    monkeypatch.setattr(parquet, "named_files", lambda _: next(changing))
    with pytest.raises(InputError, match="files come and go while it is read"):
        accepted(tmp_path, tmp_path / "out/exposures", done)

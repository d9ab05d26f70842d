"""Only new lines are taken, whatever files are called by then; what was taken is known by its content."""

import gzip
import json
import random
import shutil
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from compact_worlds import decoded, exposure, outcome, parts, records, run, tree, write
from recsys.errors import InputError
from recsys.evaluation import early_join

ROWS = [outcome(number) for number in range(40)]


def manifest(folder):
    return json.loads((folder / "_compacted.json").read_bytes())


def keys(folder, role="outcomes"):
    return sorted(record.ts for record in records(folder, role))


def expected(rows, role="outcomes"):
    return sorted(decoded(json.dumps(row).encode(), role).ts for row in rows)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_same_logs_give_the_same_bytes(tmp_path, threads):
    """Whatever the order of the specs and the number of threads, and though request ids repeat and lines are cut into
    files of which some are spread over batches."""
    rows = [exposure(number % 30, latency_ms=number % 3, user_id=f"u{number % 4}") for number in range(3000)]
    files = [write(tmp_path / f"{n}.jsonl", rows[n * 500 : n * 500 + 500]) for n in range(6)]
    first, second = tmp_path / "first", tmp_path / "second"
    run(first, exposures=files, threads=2, batch_bytes=300_000)
    run(second, exposures=random.Random(threads).sample(files, 6), threads=threads, batch_bytes=300_000)
    assert tree(first) == tree(second)
    assert len(manifest(first)["batches"]) > 1


def test_the_order_of_lines_makes_no_difference_to_rows(tmp_path):
    """Lines in another order are another log, but their rows are in the same order: parts hold the same bytes."""
    rows = [exposure(number % 9, error=number % 2 == 0, user_id=f"u{number % 4}") for number in range(300)]
    run(tmp_path / "a", exposures=[write(tmp_path / "a.jsonl", rows)])
    run(tmp_path / "b", exposures=[write(tmp_path / "b.jsonl", random.Random(1).sample(rows, 300))])
    one, other = ([path.read_bytes() for path in parts(tmp_path / name, "exposures")] for name in "ab")
    assert one == other


def test_a_second_run_does_nothing(tmp_path):
    """Not a byte, and no file is touched; nor after the log was renamed, or compressed."""
    log = Path(write(tmp_path / "outcomes.jsonl", ROWS))
    run(tmp_path / "out", outcomes=[str(log)])
    before = tree(tmp_path / "out"), [path.stat().st_mtime_ns for path in sorted((tmp_path / "out").rglob("*"))]
    packed, frames = tmp_path / "outcomes.jsonl.2.gz", tmp_path / "other.jsonl.zst"
    packed.write_bytes(gzip.compress(log.read_bytes()))
    frames.write_bytes(zstandard.compress(log.read_bytes()))
    for spec in (log, Path(shutil.copy2(log, tmp_path / "outcomes.jsonl.1")), packed, frames):
        [done] = run(tmp_path / "out", outcomes=[str(spec)])
        assert (done.rows, done.parts, done.unchanged, done.valid_rows) == (0, 0, 1, 40)
        assert (tree(tmp_path / "out"), [p.stat().st_mtime_ns for p in sorted((tmp_path / "out").rglob("*"))]) == before


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=4), st.data())
def test_a_log_that_grows_is_taken_once(tmp_path_factory, cuts, data):
    """At whatever bytes it stood when a run came by, and whatever it was called or packed as: each line is there once,
    each part holds new lines alone, and after the last run nothing is left."""
    folder = tmp_path_factory.mktemp("grown")
    content = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS[:12])
    sizes = sorted({*(len(content) * cut // 60 for cut in cuts), len(content)})
    taken = 0
    for number, size in enumerate(sizes):
        name = data.draw(st.sampled_from(["o.jsonl", f"o.jsonl.{number + 1}", "o.jsonl.gz", "url"]))
        log = folder / name
        log.write_bytes(gzip.compress(content[:size]) if name.endswith(".gz") else content[:size])
        [done] = run(folder / "out", outcomes=[log.as_uri() if name == "url" else str(log)])
        whole = content[:size].count(b"\n")
        assert (done.rows, done.invalid) == (whole - taken, 0)
        assert bool(done.unfinished) == (not content[:size].endswith(b"\n") and size > 0)
        taken = whole
        log.unlink()
    assert keys(folder / "out") == expected(ROWS[:12])
    assert [sum(part["rows"] for part in batch["parts"]) for batch in manifest(folder / "out")["batches"]] == [
        sum(each["rows"] for each in batch["inputs"]) for batch in manifest(folder / "out")["batches"]
    ]


def test_a_last_line_without_its_newline(tmp_path):
    """It waits until it has one, of either kind, in whatever log: also one that is whole may be written on. What it is
    then is told by what stands in it then."""
    log = Path(write(tmp_path / "o.jsonl", ROWS[:3], end=b""))
    [done] = run(tmp_path / "out", outcomes=[str(log)])
    assert (done.rows, done.unfinished) == (2, {str(log): len(json.dumps(ROWS[2]))})
    assert run(tmp_path / "out", outcomes=[str(log)])[0].unchanged == 1
    with log.open("ab") as file:
        file.write(b"\r\n" + json.dumps(ROWS[3]).encode())
    assert run(tmp_path / "out", outcomes=[str(log)])[0].rows == 1
    with log.open("ab") as file:
        file.write(json.dumps(ROWS[4]).encode() + b"\n" + json.dumps(ROWS[5]).encode()[:-9])
    packed = tmp_path / "o.jsonl.1.gz"
    packed.write_bytes(gzip.compress(log.read_bytes()))
    [done] = run(tmp_path / "out", outcomes=[str(packed)])
    assert (done.rows, done.invalid, done.faults[0].line) == (0, 1, 4)
    assert done.unfinished == {str(packed): len(json.dumps(ROWS[5])) - 9}
    assert keys(tmp_path / "out") == expected(ROWS[:3])


def test_faults_tell_the_lines_of_the_log(tmp_path):
    """Also those of lines that were added, and of a packed log: the file and the line that a person finds there."""
    log = Path(write(tmp_path / "o.jsonl", [*ROWS[:3], b"bad"]))
    [done] = run(tmp_path / "out", outcomes=[str(log)])
    assert [(fault.file, fault.line) for fault in done.faults] == [(str(log), 4)]
    write(log, [*ROWS[:3], b"bad", ROWS[3], b"worse"])
    [done] = run(tmp_path / "out", outcomes=[str(log)])
    assert [(fault.file, fault.line) for fault in done.faults] == [(str(log), 6)]
    packed = tmp_path / "p.jsonl.gz"
    packed.write_bytes(gzip.compress(b"worst\n"))
    [done] = run(tmp_path / "out", outcomes=[str(packed)])
    assert [(fault.file, fault.line) for fault in done.faults] == [(str(packed), 1)]


def test_invalid_lines_are_kept_byte_for_byte(tmp_path):
    """Whatever stands in them, in the order of the log, and once; the manifest counts them."""
    bad = [b"", b'{"request_id":', b"\xff\x00\r", json.dumps(ROWS[0] | {"event_type": "view"}).encode(), b" " * 3]
    log = Path(write(tmp_path / "o.jsonl", [bad[0], ROWS[1], *bad[1:3], ROWS[2], *bad[3:]]))
    [done] = run(tmp_path / "out", outcomes=[str(log)])
    assert (done.rows, done.invalid) == (2, 5)
    [name] = done.invalid_files
    assert (tmp_path / "out" / name).read_bytes() == b"".join(line + b"\n" for line in bad)
    [batch] = manifest(tmp_path / "out")["batches"]
    assert (batch["invalid"], batch["inputs"][0]["rows"], batch["inputs"][0]["invalid"]) == (name, 7, 5)


def test_a_log_whose_beginning_changed_is_refused(tmp_path):
    """Other content under a known name, and less of it than there was: nothing is taken, and the folder stays."""
    log = Path(write(tmp_path / "o.jsonl", ROWS[:10]))
    run(tmp_path / "out", outcomes=[str(log)])
    run(tmp_path / "out", outcomes=[write(log, ROWS[:20])])
    before = tree(tmp_path / "out")
    for rows, found in ((ROWS[1:30], "found another beginning"), (ROWS[:15], "bytes of whole lines")):
        write(log, rows)
        with pytest.raises(InputError, match=r"o\.jsonl: not what was taken of it before") as told:
            run(tmp_path / "out", outcomes=[str(log), write(tmp_path / "p.jsonl", ROWS[30:])])
        assert found in str(told.value)
        assert tree(tmp_path / "out") == before


def test_a_changed_log_is_refused_under_every_name(tmp_path, monkeypatch):
    """Its path may be spelt otherwise, or be another one: its beginning tells. Of a part of what was taken, nothing is
    new; where it is known that it is one, it is passed over."""
    log = Path(write(tmp_path / "logs/o.jsonl", ROWS[:10]))
    run(tmp_path / "out", outcomes=[str(log)])
    write(log, ROWS[:20])
    run(tmp_path / "out", outcomes=[str(log)])
    part = write(tmp_path / "part.jsonl", ROWS[:10])
    assert run(tmp_path / "out", outcomes=[part])[0].unchanged == 1
    before = tree(tmp_path / "out")
    packed = tmp_path / "archived.jsonl.gz"
    packed.write_bytes(gzip.compress(Path(write(tmp_path / "e.jsonl", [*ROWS[1:5], *ROWS[6:20]])).read_bytes()))
    for spec in (part, packed.as_uri(), str(packed)):
        write(Path(part), ROWS[:15])
        with pytest.raises(InputError, match="not what was taken of it before"):
            run(tmp_path / "out", outcomes=[spec])
    write(log, ROWS[12:20])  # nothing of the beginning is left, but the path
    monkeypatch.chdir(tmp_path)
    for spec in ("logs/o.jsonl", "logs/../logs/o.jsonl", "logs"):
        with pytest.raises(InputError, match="not what was taken of it before"):
            run(tmp_path / "out", outcomes=[spec])
    assert tree(tmp_path / "out") == before


def test_two_logs_that_begin_alike(tmp_path):
    """A second one is taken where the first is named too; from then on each grows on its own."""
    one, other = write(tmp_path / "a.jsonl", ROWS[:9]), write(tmp_path / "b.jsonl", [*ROWS[:6], *ROWS[20:29]])
    run(tmp_path / "out", outcomes=[one])
    with pytest.raises(
        InputError, match=r"b\.jsonl: not what was taken.*If .*a\.jsonl is another log, name it as well"
    ):
        run(tmp_path / "out", outcomes=[other])
    assert run(tmp_path / "out", outcomes=[one, other])[0].rows == 15
    write(Path(other), [*ROWS[:6], *ROWS[20:30]])
    assert run(tmp_path / "out", outcomes=[other])[0].rows == 1
    once = write(tmp_path / "c.jsonl", [ROWS[0], *ROWS[30:40]])  # one line delivered twice is no likeness
    assert run(tmp_path / "out", outcomes=[once])[0].rows == 11
    headers = [
        write(tmp_path / f"{name}.jsonl", [b"# outcomes", b"", row]) for name, row in zip("de", ROWS, strict=False)
    ]
    for spec in headers:
        run(tmp_path / "headers", outcomes=[spec])
    assert len(keys(tmp_path / "headers")) == 2


def test_a_rotated_log(tmp_path):
    """A new log under the old name is taken where the old one is named too, as it is called now."""
    log = Path(write(tmp_path / "o.jsonl", ROWS[:10]))
    run(tmp_path / "out", outcomes=[str(log)])
    with log.open("ab") as file:
        file.write(json.dumps(ROWS[10]).encode() + b"\n")
    log.rename(tmp_path / "o.jsonl.1")
    write(log, ROWS[11:20])
    with pytest.raises(InputError, match="name the rotated file as well"):
        run(tmp_path / "out", outcomes=[str(log)])
    [done] = run(tmp_path / "out", outcomes=[str(log), str(tmp_path / "o.jsonl.1")])
    assert done.rows == 10
    assert keys(tmp_path / "out") == expected(ROWS[:20])
    shutil.copy(log, tmp_path / "o.jsonl.2")  # rotated once more, before anything was written
    write(log, [])
    assert run(tmp_path / "out", outcomes=[str(log), str(tmp_path / "o.jsonl.2")])[0].rows == 0


def test_copies_of_a_log_are_one(tmp_path):
    """The content decides, within a run as between two: a copy adds nothing, and one with more adds what is more."""
    one, copy = write(tmp_path / "a.jsonl", ROWS[:5]), write(tmp_path / "b.jsonl", ROWS[:5])
    longer = write(tmp_path / "c.jsonl", ROWS[:7])
    [done] = run(tmp_path / "out", outcomes=[longer, copy, one])
    assert (done.rows, done.unchanged) == (7, 1)
    assert keys(tmp_path / "out") == expected(ROWS[:7])


def test_roles_know_nothing_of_each_other(tmp_path):
    """An empty log gives nothing, and roles can come one by one into one folder."""
    shown = write(tmp_path / "e.jsonl", [exposure(number) for number in range(20)])
    [done] = run(tmp_path / "out", exposures=[shown])
    assert done.valid_rows == 20
    empty, clicks = run(tmp_path / "out", exposures=[shown], outcomes=[write(tmp_path / "o.jsonl", [])])
    assert (empty.unchanged, clicks.rows, clicks.valid_rows) == (1, 0, 0)
    run(tmp_path / "out", outcomes=[write(tmp_path / "o.jsonl", [outcome(number) for number in range(0, 20, 3)])])
    found = early_join.check([str(tmp_path / "out/exposures")], [str(tmp_path / "out/outcomes")], None, None)
    assert (found.quality.exposures.rows, found.quality.fates.attributed) == (20, 7)

"""Erasing people from logs: nothing of theirs is left, everything else is as it was, and a kill does no harm."""

import errno
import gzip
import json
import os
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import zstandard

from recsys.evaluation import early_join
from recsys.eventlog.audit.verify import verify_folder, verify_log
from recsys.eventlog.erasure.erase import erase, write_receipt
from recsys.eventlog.erasure.erased_files import Place
from recsys.eventlog.pseudonym import pseudonym
from recsys.eventlog.upkeep import pack
from recsys.eventlog.upkeep.ship import ship_closed
from recsys.eventlog.validation import validate
from recsys.eventlog.writing import recovery
from recsys.eventlog.writing.index import Alias
from recsys.eventlog.writing.writer import LogSettings, LogWriter
from recsys.objectstore import Store

SALT, OLD_SALT = b"the present salt", b"the salt before"
LOGS = ("exposure", "outcome", "assignment")
SCHEMAS = {"exposure": "exposure.v1", "outcome": "outcome.v1", "assignment": "assignment.v1"}
BEGIN = datetime(2026, 2, 5, 10, tzinfo=UTC)
NOW = datetime(2026, 2, 7, tzinfo=UTC)
ANNA = {pseudonym(SALT, "anna"), pseudonym(OLD_SALT, "anna")}


def records(number, user, salt=SALT):
    request, name = f"r{number}", pseudonym(salt, user)
    ts = f"2026-02-05T10:{number % 60:02}:00Z"
    context = {"tenant_id": "demo", "surface": "home"}
    exposure = {"request_id": request, "user_id": name, "ts": ts, "items": [{"item_id": "a", "rank": 1}],
                "context": context}  # fmt: skip
    outcome = {"request_id": request, "user_id": name, "item_id": "a", "event_type": "click", "ts": ts}
    assignment = {"experiment_id": "e", "variant": "A", "request_id": request, "user_id": name, "ts": ts}
    return {"exposure": exposure, "outcome": outcome, "assignment": assignment}


def written():
    """Rows of three people: anna under two salts, and one outcome of hers that another user id stands on."""
    rows = {log: [] for log in LOGS}
    for number in range(30):
        user = ("anna", "ben", "carl")[number % 3]
        for log, record in records(number, user, OLD_SALT if number < 9 else SALT).items():
            rows[log].append(record)
    rows["outcome"][12]["user_id"] = pseudonym(SALT, "somebody")
    return rows


class Clock:
    def __init__(self, now=BEGIN):
        self.now = now

    def __call__(self):
        self.now += timedelta(seconds=1)
        return self.now


def place_of(folder, log, form):
    return f"{folder}/" if form == "folder" else f"{folder}/{log}s.jsonl"


def write(folder, rows, form="folder", segments=3, close=True):
    """The rows in three segments each, or in one file of three writers that is rotated once."""
    folder.mkdir(exist_ok=True)
    writers, clock = [], Clock()
    for log in LOGS:
        for part in range(segments):
            path = Path(place_of(folder, log, form))
            if form == "file" and part == segments - 1 and path.exists():
                path.rename(f"{path}.1")
            writer = LogWriter(
                LogSettings(path=place_of(folder, log, form)), log=log, writer=f"w{part}", clock=clock
            )  # fmt: skip
            writer.open()
            if log == "exposure":
                for user in ("anna", "ben"):
                    previous, current = pseudonym(OLD_SALT, user), pseudonym(SALT, user)
                    writer.note_alias(Alias(previous=previous, current=current))
            for row in rows[log][part::segments]:
                writer.append(json.dumps(row).encode())
            writers.append(writer)
            if close:
                writer.close()
    return writers


def places(folder, form="folder"):
    return [Place(log, folder if form == "folder" else Path(place_of(folder, log, form))) for log in LOGS]


def run(folder, form="folder", names=ANNA, **options):
    return erase(places(folder, form), names, count=1, now=NOW, **options)


def checked(folder, form="folder"):
    found = []
    for place in places(folder, form):
        found += verify_folder(folder, place.log) if form == "folder" else verify_log(place.path)
    return found


def faults(folder, form="folder"):
    return [fault for one in checked(folder, form) for fault in one.faults]


def content(path):
    data = path.read_bytes()
    if path.suffix == ".zst":
        return zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def traces(folder, names=ANNA):
    return [path.name for path in folder.iterdir() if any(name.encode() in content(path) for name in names)]


def log_files(folder, log):
    return sorted(
        path for path in folder.iterdir() if re.fullmatch(rf"{log}.*\.jsonl(\.zst|\.[0-9](\.gz)?)?", path.name)
    )


def rows_in(folder, log):
    return sorted(
        (json.loads(line) for path in log_files(folder, log) for line in content(path).splitlines()),
        key=lambda row: (int(row["request_id"][1:]), row["user_id"]),
    )


def others(rows):
    gone = {row["request_id"] for row in rows["exposure"] if row["user_id"] in ANNA}
    return {log: [row for row in rows[log] if row["request_id"] not in gone] for log in LOGS}


def join(folder):
    files = {log: [str(path) for path in log_files(folder, log)] for log in LOGS}
    return early_join.check(files["exposure"], files["outcome"], files["assignment"], None)


@pytest.mark.parametrize("form", ["folder", "packed", "file", "file.gz"])
def test_erasing_a_subject_leaves_validate_join_and_verify_green_and_no_trace(tmp_path, form):
    """In folders, packed segments, and rotated and compressed files: no byte of a pseudonym is left in any file, all
    other lines are there, every line is valid, the logs join, and no index faults them."""
    folder, kind = tmp_path / "logs", form.partition(".")[0].replace("packed", "folder")
    rows = written()
    write(folder, rows, kind)
    if form == "packed":
        for log in LOGS:
            assert list(pack.pack_closed(folder, log)) == []
    if form == "file.gz":
        for path in folder.glob("*.jsonl.1"):
            Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.rename(tmp_path / path.name)  # so that no other file gets its inode
    assert faults(folder, kind) == []
    assert traces(folder)
    done = run(folder, kind)
    assert done.complete
    assert done.lines() == {"exposure": 10, "outcome": 10, "assignment": 10}
    assert traces(folder) == []
    assert faults(folder, kind) == []
    assert sum(one.erased for one in checked(folder, kind)) == 30
    for log, expected in others(rows).items():
        assert rows_in(folder, log) == expected
        scratch = tmp_path / f"scratch-{log}"
        scratch.mkdir()
        assert not any(one.invalid for one in validate(log_files(folder, log), SCHEMAS[log], scratch=scratch))
    result = join(folder)
    assert result.sound
    assert result.quality.fates.attributed == result.quality.fates.rows == 20
    if form == "folder":  # seals say what the segments are now
        assert [told for log in LOGS for told in pack.pack_closed(folder, log)] == []
        assert len(list(folder.glob("*.zst"))) == 9
    again = run(folder, kind)
    assert (again.lines(), again.complete, again.aliases) == ({}, True, 0)


def test_files_without_a_line_of_theirs_are_not_touched(tmp_path):
    """Bytes and inodes of all files stay where nobody is found."""
    write(tmp_path / "logs", written())
    before = {path.name: (path.stat().st_ino, path.read_bytes()) for path in (tmp_path / "logs").iterdir()}
    assert run(tmp_path / "logs", names={pseudonym(SALT, "nobody")}).lines() == {}
    after = {path.name: (path.stat().st_ino, path.read_bytes()) for path in (tmp_path / "logs").iterdir()}
    after.pop(".upkeep.lock", None)
    assert after == before


def test_all_lines_of_a_segment_may_be_theirs(tmp_path):
    """What is left is an empty segment with a sealed index, which no check faults."""
    rows = {log: [row for row in lines if row["user_id"] in ANNA] for log, lines in written().items()}
    write(tmp_path / "logs", rows, segments=1)
    done = run(tmp_path / "logs")
    assert done.complete
    assert faults(tmp_path / "logs") == []
    assert traces(tmp_path / "logs") == []


def test_service_v1_lines_are_told_by_any_of_their_pseudonyms(tmp_path):
    """User, anonymous and session id alike, and outcomes of these requests with them."""
    rows = {log: [] for log in LOGS}
    for number, key in enumerate(("user_id_hash", "anonymous_id_hash", "session_id_hash", "user_id_hash")):
        made = records(number, "anna" if number < 3 else "ben")
        audit = {"schema_version": "v1", "timestamp": made["exposure"]["ts"], "request_id": f"r{number}",
                 "tenant_id": "demo", "surface": "home", "subject": {key: made["exposure"]["user_id"]},
                 "items": [{"item_id": "a", "rank": 1, "score": 1.0}]}  # fmt: skip
        rows["exposure"].append(audit)
        rows["outcome"].append({**made["outcome"], "user_id": pseudonym(SALT, f"other-{number}")})
    write(tmp_path / "logs", rows, segments=1)
    assert run(tmp_path / "logs").lines() == {"exposure": 3, "outcome": 3}
    assert traces(tmp_path / "logs") == []
    assert [row["request_id"] for row in rows_in(tmp_path / "logs", "outcome")] == ["r3"]


@pytest.mark.parametrize("form", ["folder", "file"])
def test_what_a_writer_holds_stays_and_is_told_until_it_has_gone(tmp_path, form):
    """Lines of open files are counted and not touched, nor is an exposure whose outcome is only known by its request;
    once the writers have ended, all goes."""
    folder, rows = tmp_path / "logs", written()
    held = write(folder, {**rows, "exposure": [], "assignment": []}, form, segments=1, close=False)
    if form == "folder":
        write(folder, {**rows, "outcome": []}, segments=1)
    done = run(folder, form)
    assert not done.complete
    waiting = {each.log: each.lines for each in done.waiting if each.lines}
    assert waiting["outcome"] == (10 if form == "folder" else 9)  # without exposures nobody knows whose r12 was
    if form == "folder":
        assert waiting["exposure"] == 1
        assert done.lines() == {"exposure": 9, "assignment": 10}
    for writer in held:
        writer.close()
    assert run(folder, form).complete
    assert traces(folder) == []
    assert faults(folder, form) == []


def test_a_dead_writers_segment_is_sealed_and_erased(tmp_path):
    """A crash leaves no seal, and a torn line with a pseudonym: lines go from the log, and parts from what was torn,
    whole ones and those that end within the pseudonym alike."""
    folder = tmp_path / "logs"
    for log, lines in written().items():
        writer = LogWriter(LogSettings(path=f"{folder}/"), log=log, writer="w1", clock=Clock())
        writer.open()
        writer.append(*(json.dumps(row).encode() for row in lines))
        writer._place._segment.close()  # pyright: ignore - as a kill does
    (segment,) = folder.glob("exposure-*.jsonl")
    name = pseudonym(SALT, "anna")
    with segment.open("ab") as file:
        file.write(json.dumps(records(99, "anna")["exposure"]).encode()[:-9])
    torn = segment.with_name(f"{segment.name}.torn")
    torn.write_bytes(b'{"user_id":"' + name[:20].encode() + b'\n{"user_id":"ffff\n')
    assert run(folder).complete
    assert traces(folder) == []
    assert torn.read_bytes() == b'{"user_id":"ffff\n'
    assert faults(folder) == []


def test_an_older_salt_is_known_by_its_alias(tmp_path):
    """With the present salt alone, lines under the one before are found by the alias in the index."""
    write(tmp_path / "logs", written())
    done = run(tmp_path / "logs", names={pseudonym(SALT, "anna")})
    assert done.complete
    assert traces(tmp_path / "logs") == []


@pytest.mark.parametrize("removed", [True, False])
def test_faults_that_were_there_are_there_afterwards(tmp_path, removed):
    """A line that somebody removed, and one that somebody changed, are told as before, and the segment is not taken for
    what was sealed: nothing is hidden."""
    folder = tmp_path / "logs"
    write(folder, written(), segments=1)
    (segment,) = folder.glob("exposure-*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    ben = [n for n, line in enumerate(lines) if b'"r4"' in line or b'"r10"' in line]
    lines[ben[1]] = lines[ben[1]].replace(b"demo", b"demO")
    if removed:
        del lines[ben[0]]
    segment.write_bytes(b"".join(lines))
    before = sorted((fault.kind, fault.lines) for fault in faults(folder))
    assert before
    assert run(folder).complete
    assert sorted((fault.kind, fault.lines) for fault in faults(folder)) == before
    (told,) = pack.pack_closed(folder, "exposure")
    assert "not what was sealed" in told


class Dies:
    """The functions of ``os``, of which the n-th that changes a file does not happen, nor does any after it."""

    CHANGES = ("open", "write", "pwrite", "fsync", "fdatasync", "ftruncate", "rename", "unlink")

    def __init__(self, last):
        self.left = last

    def __getattr__(self, name):
        function = getattr(os, name)
        if name not in self.CHANGES:
            return function

        def counted(*arguments):
            if self.left <= 0:
                raise KeyboardInterrupt
            self.left -= 1
            return function(*arguments)

        return counted


@pytest.mark.parametrize("form", ["folder", "packed", "file"])
@pytest.mark.parametrize("completed_by", ["erase", "repair"])
def test_a_kill_at_any_operation_is_completed_by_the_next_run(tmp_path, form, completed_by):
    """After each operation that changes a file, of all: the next erasure leaves no trace and no fault, and so far as a
    repair alone runs, no fault."""
    kind = "file" if form == "file" else "folder"
    first, rows = tmp_path / "first", written()
    write(first, rows, kind)
    if form == "packed":
        for log in LOGS:
            list(pack.pack_closed(first, log))
    alive, last = True, 0
    while alive:
        folder = tmp_path / "logs"
        shutil.copytree(first, folder)
        if kind == "file":
            _as_written(first, folder)
        try:
            run(folder, kind, files=Dies(last))
            alive = False
        except KeyboardInterrupt:
            pass
        if completed_by == "repair":
            list(recovery.recover(folder, "exposure", now=NOW))
            assert faults(folder, kind) == [], last
        assert run(folder, kind).complete
        assert faults(folder, kind) == [], last
        assert traces(folder) == [], last
        assert {log: rows_in(folder, log) for log in LOGS} == others(rows), last
        assert not [path for path in folder.iterdir() if path.name.endswith((".erasing", ".aside", ".part"))]
        shutil.rmtree(folder)
        last += 1
    assert last > 60


def _as_written(first, folder):
    """Copies have other inodes: the indexes of the copy say these."""
    for path in first.iterdir():
        if path.suffix in {".jsonl", ".1"}:
            before, after = path.stat(), (folder / path.name).stat()
            for index in folder.glob("*.index"):
                told = index.read_bytes().replace(b'"inode":%d,' % before.st_ino, b'"inode":%d,' % -after.st_ino)
                index.write_bytes(told)
    for index in folder.glob("*.index"):
        index.write_bytes(index.read_bytes().replace(b'"inode":-', b'"inode":'))


def test_a_full_disk_is_told_and_changes_nothing(tmp_path):
    """Where no new file can be written, the error is of the machine, and the logs are what they were."""

    class Full:
        def __getattr__(self, name):
            return getattr(os, name)

        def write(self, _fd, _data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder = tmp_path / "logs"
    write(folder, written())
    before = {path.name: path.read_bytes() for path in folder.glob("*.jsonl*")}
    with pytest.raises(OSError, match="No space left"):
        run(folder, files=Full())
    assert {path.name: path.read_bytes() for path in folder.glob("*.jsonl*")} == before
    assert run(folder).complete


def test_the_receipt_says_how_many_and_never_whose(tmp_path):
    """Counts, files and time; no pseudonym and no raw id."""
    folder = tmp_path / "logs"
    write(folder, written())
    path = write_receipt(folder, run(folder))
    assert re.fullmatch(r"erasure-20260207T000000000000Z\.json", path.name)
    told = json.loads(path.read_bytes())
    assert told["lines"] == {"exposure": 10, "outcome": 10, "assignment": 10}
    assert (told["subjects"], told["complete"], told["waiting"]) == (1, True, [])
    assert sum(each["lines"] for each in told["files"]) == 30
    assert "anna" not in path.read_text()
    assert traces(folder) == []


@pytest.fixture
def archive(tmp_path):
    """A folder as an object store."""
    (tmp_path / "store").mkdir()
    return f"file://{tmp_path}/store"


def archived(folder, url, rows):
    """The rows in segments, all of them in the archive."""
    write(folder, rows)
    for log in LOGS:
        list(pack.pack_closed(folder, log))
        assert list(ship_closed(folder, log, Store(url))) == []
    assert not list(folder.glob("*.zst"))


def unpacked_store(tmp_path, target):
    """The archived segments as a folder."""
    target.mkdir()
    for path in (tmp_path / "store").rglob("*"):
        if path.is_file():
            shutil.copy(path, target / path.name)
    return target


def test_archived_segments_are_erased_too(tmp_path, archive):
    """Objects of theirs are replaced with their indexes; local and archived files count as one log."""
    folder, rows = tmp_path / "logs", written()
    archived(folder, archive, rows)
    done = run(folder, archives={log: Store(archive) for log in LOGS})
    assert done.complete
    assert done.lines() == {"exposure": 10, "outcome": 10, "assignment": 10}
    assert all(each.file.startswith("file://") for each in done.erased)
    found = unpacked_store(tmp_path, tmp_path / "found")
    assert traces(found) == []
    assert faults(found) == []
    assert {log: rows_in(found, log) for log in LOGS} == others(rows)


class DyingStore(Store):
    """A store of which the n-th change does not happen, nor does any after it."""

    left = 0

    def _count(self):
        if DyingStore.left <= 0:
            raise KeyboardInterrupt
        DyingStore.left -= 1

    def put(self, key, source):
        self._count()
        super().put(key, source)

    def delete(self, key):
        self._count()
        super().delete(key)


def test_a_kill_between_any_two_changes_of_an_archive_is_completed_by_the_next_run(tmp_path, archive):
    """After each object that is put or removed, of all: the next erasure, of nobody, leaves each segment as it was or
    as it is to be, and the one after it no trace and no rest."""
    rows = written()
    archived(tmp_path / "first", archive, rows)
    shutil.copytree(tmp_path / "store", tmp_path / "whole")
    alive, last = True, 0
    while alive:
        folder, DyingStore.left = tmp_path / "logs", last
        shutil.copytree(tmp_path / "first", folder)
        try:
            run(folder, archives={log: DyingStore(archive) for log in LOGS})
            alive = False
        except KeyboardInterrupt:
            pass
        nobody = {pseudonym(SALT, "nobody")}
        assert run(folder, names=nobody, archives={log: Store(archive) for log in LOGS}).lines() == {}
        assert faults(unpacked_store(tmp_path, tmp_path / "between")) == [], last
        assert run(folder, archives={log: Store(archive) for log in LOGS}).complete
        found = unpacked_store(tmp_path, tmp_path / "found")
        assert traces(found) == [], last
        assert faults(found) == [], last
        assert {log: rows_in(found, log) for log in LOGS} == others(rows), last
        assert not list(found.glob("*.erasing"))
        for each in (folder, found, tmp_path / "between", tmp_path / "store"):
            shutil.rmtree(each)
        shutil.copytree(tmp_path / "whole", tmp_path / "store")
        last += 1
    assert last > 40


def test_a_damaged_packed_segment_is_told_and_not_in_the_way_of_others(tmp_path):
    """It stays as it is, the erasure is not complete, and all other files are without a trace."""
    folder = tmp_path / "logs"
    write(folder, written())
    for log in LOGS:
        list(pack.pack_closed(folder, log))
    broken = sorted(folder.glob("exposure-*.zst"))[1]
    broken.write_bytes(broken.read_bytes()[:-20])
    done = run(folder)
    assert (done.complete, done.unreadable) == (False, [str(broken)])
    broken.unlink()
    assert [name for name in traces(folder) if not name.endswith(".index")] == []


def test_a_request_id_that_two_people_have_costs_the_other_one_nothing(tmp_path):
    """Where a client gives one id to two requests, what is of it is theirs who stand on it."""
    rows = {log: [] for log in LOGS}
    for number, user in ((0, "anna"), (0, "ben"), (1, "carl"), (2, "anna")):
        for log, record in records(number, user).items():
            rows[log].append(record)
    write(tmp_path / "logs", rows, segments=2)
    assert run(tmp_path / "logs").lines() == dict.fromkeys(LOGS, 2)
    for log in LOGS:
        assert rows_in(tmp_path / "logs", log) == [rows[log][1], rows[log][2]]
    assert (faults(tmp_path / "logs"), traces(tmp_path / "logs")) == ([], [])


@pytest.mark.parametrize("name", ["outcomes-20260204.jsonl.gz", "outcomes.failed-20260204T100000-w0-1.jsonl"])
def test_a_rotated_copy_under_any_usual_name_is_erased_too(tmp_path, name):
    """Compressed or copied, it has another inode, and is known by its name."""
    folder = tmp_path / "logs"
    write(folder, written(), form="file", segments=1)
    data = (folder / "outcomes.jsonl").read_bytes()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert traces(folder)
    assert run(folder, "file").complete
    assert traces(folder) == []

"""P8: the start never refuses because of damage, and is bounded."""

import os
import random
import time
from pathlib import Path

import pytest

from broken_writers import promise
from log_world import NOON, claim
from recsys.errors import StorageError
from recsys.eventlog.audit.verify import verify_folder
from recsys.eventlog.writing import index as indexes
from recsys.eventlog.writing.recovery import recover
from recsys.eventlog.writing.segment import index_of, segments
from recsys.eventlog.writing.writer import LogSettings, LogWriter

DAMAGE_LIMIT_S = 20


@promise("p8 damaged folder")
def test_p8_a_folder_of_damaged_logs(tmp_path, writer):
    """Hundreds of damaged segments and indexes: the writer starts, recovery ends in time, sound segments are intact."""
    sound = _fill_with_damage(tmp_path, random.Random(3))
    began = time.monotonic()
    log = writer(LogSettings(path=f"{tmp_path}/"), log="exposure", writer="w9")
    try:
        log.open()
    except Exception as error:
        claim(False, f"it refuses to start: {error}")
    log.append(b'{"n":1}')
    for _ in range(2):
        list(recover(tmp_path, "exposure", now=NOON))
    log.close()
    claim(time.monotonic() - began < DAMAGE_LIMIT_S, "it takes too long")
    for path, content in sound.items():
        claim(path.read_bytes() == content, f"{path.name} was touched")
    for path in segments(tmp_path, "exposure"):
        if ".bad" in path.name or "-01-02." in path.name:
            claim(indexes.read(index_of(path)).sealed is not None, f"{path.name} was not repaired")
    apart = tmp_path / "apart"
    apart.mkdir()
    for path in sound:
        path.rename(apart / path.name)
        index_of(path).rename(index_of(apart / path.name))
    faults = [str(fault) for checked in verify_folder(apart, "exposure") for fault in checked.faults]
    claim(not faults, f"{faults}")


def _fill_with_damage(folder: Path, chance: random.Random) -> dict[Path, bytes]:
    """Segments and indexes damaged in every way; returns sound ones that stand among them."""
    sound = {}
    for number in range(20):
        log = LogWriter(LogSettings(path=f"{folder}/"), log="exposure", writer=f"ok{number}")
        log.open()
        for line in range(30):
            log.append(b'{"n":%d,"x":"%s"}' % (line, b"x" * 50))
        sound[log.path] = log.path.read_bytes()
        log.close()
    for number in range(400):
        source = chance.choice(list(sound))
        path = (
            folder
            / f"exposure-2026-01-{1 + number % 28:02}.bad{number}-{chance.choice(['1', '2', '9' * 40, 'x'])}.jsonl"
        )
        content, index = sound[source], index_of(source).read_bytes()
        index = index[: index.rfind(b'{"record":"seal"')]
        path.write_bytes(_damaged(content, chance))
        index_of(path).write_bytes(_damaged(index, chance))
    for number in range(20):
        (folder / f"exposure-2026-01-01.d{number}-1.jsonl").mkdir()
        (folder / f"exposure-2026-01-01.e{number}-1.jsonl").touch()
        (folder / f"exposure-2026-01-01.e{number}-1.jsonl.index").mkdir()
        (folder / f"exposure-2026-01-01.f{number}-1.jsonl").symlink_to("nowhere")
        (folder / f"exposure-2026-01-01.i{number}-1.jsonl").touch()
        os.mkfifo(folder / f"exposure-2026-01-01.i{number}-1.jsonl.index")
        (folder / f"exposure-2026-01-01.g{number}-1.jsonl").symlink_to(f"exposure-2026-01-01.g{number}-1.jsonl")
        locked = folder / f"exposure-2026-01-01.h{number}-1.jsonl"
        locked.write_bytes(b'{"torn')
        locked.chmod(0)
    for name, record in _strange_records().items():
        path = folder / f"exposure-2026-01-02.{name}-1.jsonl"
        path.write_bytes(b'{"n":1}\n{"n":2}\n')
        header = indexes.Header(log="exposure", file=path.name, writer=name, sequence=1, opened=NOON)
        index_of(path).write_bytes(indexes.header_line(header) + record + b"\n")
    return sound


def _strange_records() -> dict[str, bytes]:
    """Lines of an index that read as JSON, and cannot be."""
    lines = b'{"record":"lines","at":%s,"before":%s,"ts":"2026-01-02T00:00:00Z","crc":1,"lines":%s}'
    return {
        "huge": lines % (b"9223372036854775807", b"0", b"[[8,1]]"),
        "huger": lines % (b"1" + b"0" * 30, b"0", b"[[8,1]]"),
        "negative": lines % (b"-5", b"0", b"[[8,1]]"),
        "backwards": lines % (b"0", b"0", b"[[-8,1]]"),
        "nothing": lines % (b"0", b"0", b"[]"),
        "before": lines % (b"0", b"-7", b"[[8,1]]"),
        "long": lines % (b"0", b"0", b"[[9223372036854775807,1],[9223372036854775807,1]]"),
        "deep": b'{"record":"end","x":' + b"[" * 100_000,
        "ended": b'{"record":"end","at":-1,"ts":"2026-01-02T00:00:00Z"}',
    }


def _damaged(content: bytes, chance: random.Random) -> bytes:
    data = bytearray(content)
    match chance.randrange(7):
        case 0:
            return b""
        case 1:
            return chance.randbytes(chance.randint(1, 5000))
        case 2:
            return bytes(data[: chance.randrange(len(data))])
        case 3:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        case 4:
            start = chance.randrange(len(data))
            data[start : start + 300] = bytes(300)
        case 5:
            data += chance.randbytes(50) + b"\n"
        case _:
            del data[: chance.randrange(len(data))]
    return bytes(data)


@pytest.mark.parametrize("fsync", [True, False])
def test_p8_a_torn_tail_that_cannot_be_kept(tmp_path, fsync):
    """A log whose tail has no place to go is opened; its lines are refused until it has one, and none is lost."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"n":1}\nhalf')
    torn = tmp_path / "log.jsonl.torn"
    torn.mkdir()
    log = LogWriter(LogSettings(path=str(path), fsync=fsync), log="exposure", writer="w")
    log.open()
    with pytest.raises(StorageError, match="directory"):
        log.append(b'{"n":2}')
    torn.rmdir()
    log.append(b'{"n":3}')
    log.close()
    assert path.read_bytes() == b'{"n":1}\n{"n":3}\n'
    assert torn.read_bytes() == b"half\n"
    [index] = tmp_path.glob("*.index")
    assert [gap.lost for gap in indexes.read(index).of(indexes.Gap)] == [1]


def test_p8_a_segment_that_cannot_be_repaired_is_told(tmp_path):
    """It stays as it is, nothing else waits for it, and it is repaired once nothing is in the way."""
    for writer in ("a", "b"):
        (tmp_path / f"exposure-2026-02-05.{writer}-1.jsonl").write_bytes(b'{"n":1}\nhalf')
    torn = tmp_path / "exposure-2026-02-05.a-1.jsonl.torn"
    torn.mkdir()
    told = [str(done) for done in recover(tmp_path, "exposure", now=NOON)]
    assert [message.partition("jsonl: ")[2][:24] for message in told] == [
        "not repaired (found [Err",
        "1 lines put into the ind",
    ]
    assert "directory" in told[0]
    torn.rmdir()
    assert [done.torn for done in recover(tmp_path, "exposure", now=NOON)] == [4]

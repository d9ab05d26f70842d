"""The program as a person runs it, with its streams, exit status and temporary folder: in this process, which saves the
start of an interpreter, or as a process of its own where that is what is looked at."""

import io
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from recsys import console
from recsys.evaluation.cli import app

PROGRAM = Path(sys.executable).with_name("recsys-eval")


@dataclass(frozen=True)
class Done:
    """What a run of the program said and how it ended."""

    status: int
    out: str
    err: str


def _environment(scratch: Path, salt: str | None) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if name != "EXPOSURE_HASH_SALT"}
    return env | {"TMPDIR": str(scratch), "COLUMNS": "100"} | ({} if salt is None else {"EXPOSURE_HASH_SALT": salt})


def _at_hand(words: Sequence[str], stdin: bytes, env: dict[str, str]) -> Done:
    """The run in this process, on streams that are files, as a shell's redirection makes them."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        streams = [io.TextIOWrapper(each, encoding="utf-8", write_through=True) for each in (out, err)]
        with (
            mock.patch.dict(os.environ, env, clear=True),
            mock.patch.object(tempfile, "tempdir", None),  # to be looked up in the environment
            mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))),
            mock.patch.object(sys, "stdout", streams[0]),
            mock.patch.object(sys, "stderr", streams[1]),
        ):
            status = console.run(app, "recsys-eval", list(words))
        told = []
        for stream in streams:
            stream.flush()
            raw = stream.detach()
            raw.seek(0)
            told.append(raw.read().decode())
    return Done(status, *told)


def _process(words: Sequence[str], stdin: bytes, env: dict[str, str], **options) -> Done:
    run = subprocess.run(
        [PROGRAM, *words], input=stdin, capture_output=True, check=False, env=env, timeout=60, **options
    )
    return Done(run.returncode, run.stdout.decode(), run.stderr.decode())


def _runner(tmp_path: Path, run: Callable[..., Done]) -> Callable[..., Done]:
    """A run never shows a traceback, and leaves nothing in its temporary folder."""
    numbers = itertools.count()

    def program(*arguments: object, stdin: bytes = b"", salt: str | None = None, **options) -> Done:
        scratch = tmp_path / f"tmp-{run.__name__}-{next(numbers)}"
        scratch.mkdir()
        done = run([str(argument) for argument in arguments], stdin, _environment(scratch, salt), **options)
        assert "Traceback" not in done.err, done.err
        assert list(scratch.iterdir()) == []
        scratch.rmdir()
        return done

    return program


@pytest.fixture
def recsys_eval(tmp_path) -> Callable[..., Done]:
    """Run `recsys-eval` to its end in this process."""
    return _runner(tmp_path, _at_hand)


@pytest.fixture
def recsys_eval_process(tmp_path) -> Callable[..., Done]:
    """Run `recsys-eval` to its end as a process of its own."""
    return _runner(tmp_path, _process)


@pytest.fixture
def in_turn(recsys_eval) -> Callable[..., list[Done]]:
    """Several runs, one after the other: one list of words each."""

    def programs(*runs: Sequence[object], **options) -> list[Done]:
        return [recsys_eval(*words, **options) for words in runs]

    return programs


@pytest.fixture
def exposure() -> Callable[..., dict]:
    """Exposure number n: items a, b, c at 10:00 to user n mod 7, at home or, every third, in the search."""

    def record(number: int, **changes: object) -> dict:
        surface = "search" if number % 3 == 0 else "home"
        items = [{"item_id": item, "rank": rank} for rank, item in enumerate("abc", start=1)]
        return {
            "request_id": f"r{number}", "user_id": f"u{number % 7}", "ts": "2026-02-05T10:00:00Z", "items": items,
            "context": {"tenant_id": "demo", "surface": surface}, **changes,
        }  # fmt: skip

    return record


@pytest.fixture
def outcome() -> Callable[..., dict]:
    """A click on item a of exposure number n, ten seconds later."""

    def record(number: int, **changes: object) -> dict:
        return {
            "request_id": f"r{number}", "user_id": f"u{number % 7}", "item_id": "a", "event_type": "click",
            "ts": "2026-02-05T10:00:10Z", **changes,
        }  # fmt: skip

    return record


@pytest.fixture
def write(tmp_path) -> Callable[..., Path]:
    """Write records, or lines as they are, to a file of the test's folder."""

    def file(name: str, *lines: dict | str | bytes) -> Path:
        texts = [json.dumps(line) if isinstance(line, dict) else line for line in lines]
        path = tmp_path / name
        path.write_bytes(b"".join((text if isinstance(text, bytes) else text.encode()) + b"\n" for text in texts))
        return path

    return file


@pytest.fixture
def logs(exposure, outcome, write) -> list[object]:
    """The options that name sound logs: 40 exposures, of which every fourth has a click on the first item."""
    exposures = write("exposures.jsonl", *map(exposure, range(40)))
    outcomes = write("outcomes.jsonl", *map(outcome, range(0, 40, 4)))
    return ["--exposures", exposures, "--outcomes", outcomes]

"""The program as a person runs it: a process of its own, with its streams, exit status and temporary folder."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("recsys-eval")


@dataclass(frozen=True)
class Done:
    """What a run of the program said and how it ended."""

    status: int
    out: str
    err: str


@pytest.fixture
def recsys_eval(tmp_path) -> Callable[..., Done]:
    """Run `recsys-eval` to its end. It never shows a traceback, and leaves nothing in its temporary folder."""
    numbers = itertools.count()

    def program(*arguments: object, stdin: bytes = b"", salt: str | None = None, **options) -> Done:
        scratch = tmp_path / f"tmp-{next(numbers)}"
        scratch.mkdir()
        env = {name: value for name, value in os.environ.items() if name != "EXPOSURE_HASH_SALT"}
        env |= {"TMPDIR": str(scratch), "COLUMNS": "100"} | ({} if salt is None else {"EXPOSURE_HASH_SALT": salt})
        words = [PROGRAM, *(str(argument) for argument in arguments)]
        run = subprocess.run(words, input=stdin, capture_output=True, check=False, env=env, timeout=60, **options)
        done = Done(run.returncode, run.stdout.decode(), run.stderr.decode())
        assert "Traceback" not in done.err, done.err
        assert list(scratch.iterdir()) == []
        scratch.rmdir()
        return done

    return program


@pytest.fixture
def at_once(recsys_eval) -> Callable[..., list[Done]]:
    """Several runs, two at a time: one list of words each."""

    def programs(*runs: Sequence[object], **options) -> list[Done]:
        with ThreadPoolExecutor(2) as both:
            return list(both.map(lambda words: recsys_eval(*words, **options), runs))

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

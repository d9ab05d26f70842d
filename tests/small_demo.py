"""One small demo for all tests that look at one: made by the first process of a run of the tests that asks."""

import fcntl
import pickle
from pathlib import Path
from typing import Any, NamedTuple

from recsys.demo import run as demo

SIZE = demo.Size(requests=240, items=300, shoppers=200, events=6_000, workers=2)
SEED = 1
"""The documents name requests of this demo."""


class Made(NamedTuple):
    """The demo, and by request id the answers that its shoppers got over HTTP."""

    demo: demo.Demo
    answers: dict[str, Any]


def made(base: Path) -> Made:
    """The demo in ``base``, a folder that all processes of the run share."""
    folder = base / "small-demo"
    folder.mkdir(exist_ok=True)
    kept = folder / "made.pickle"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            answers: dict[str, Any] = {}
            done = demo.run(
                folder / "out", SIZE, SEED, on_step=lambda text: None, on_visit=lambda: None,
                on_answer=lambda visit, answer: answers.update({visit.request_id: answer}),
            )  # fmt: skip
            part = kept.with_suffix(".part")
            part.write_bytes(pickle.dumps(Made(done, answers)))
            part.rename(kept)
    return pickle.loads(kept.read_bytes())

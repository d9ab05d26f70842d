"""Sample logs for the blocks of the documents: what a small demo leaves behind, made once."""

import fcntl
import shutil
import tempfile
from pathlib import Path

import pytest

from recsys.demo import run as demo

SIZE = demo.Size(requests=200, items=200, shoppers=60, events=4_000, workers=1)


@pytest.fixture(scope="session")
def samples(tmp_path_factory, worker_id):
    """A folder with exposures, outcomes, assignments, items, events, a configuration and its snapshot; the processes of
    one run of the tests share it."""
    own = tmp_path_factory.getbasetemp()
    folder = (own if worker_id == "master" else own.parent) / "samples"
    with (folder.parent / "samples.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _make(folder)
    return folder


def _make(folder: Path) -> None:
    base = Path(tempfile.mkdtemp(prefix="recsys-docs-samples-"))
    made = demo.run(base / "demo", SIZE, 1, on_step=lambda text: None, on_visit=lambda: None)
    part = folder.with_suffix(".part")
    part.mkdir()
    for name, target in (
        (demo.EXPOSURES, "exposures.jsonl"), (demo.OUTCOMES, "outcomes.jsonl"), (demo.ASSIGNMENTS, "assignments.jsonl"),
        (demo.ITEMS, "items.jsonl"), (demo.EVENTS, "events.jsonl"), (demo.CONFIG, "config.json"),
        (demo.SNAPSHOT, "snapshot.json"),
    ):  # fmt: skip
        shutil.copy(made.out / name, part / target)
    part.rename(folder)
    shutil.rmtree(base)

"""Sample logs for the blocks of the documents: what a small demo leaves behind, made once."""

import shutil
import tempfile
from pathlib import Path

import pytest

from recsys.demo import run as demo

SIZE = demo.Size(requests=200, items=200, shoppers=60, events=4_000, workers=1)


@pytest.fixture(scope="session")
def samples():
    """A folder with exposures, outcomes, assignments, items, events, a configuration and its snapshot."""
    base = Path(tempfile.mkdtemp(prefix="recsys-docs-samples-"))
    made = demo.run(base / "demo", SIZE, 1, on_step=lambda text: None, on_visit=lambda: None)
    folder = base / "samples"
    folder.mkdir()
    for name, target in (
        (demo.EXPOSURES, "exposures.jsonl"), (demo.OUTCOMES, "outcomes.jsonl"), (demo.ASSIGNMENTS, "assignments.jsonl"),
        (demo.ITEMS, "items.jsonl"), (demo.EVENTS, "events.jsonl"), (demo.CONFIG, "config.json"),
        (demo.SNAPSHOT, "snapshot.json"),
    ):  # fmt: skip
        shutil.copy(made.out / name, folder / target)
    yield folder
    shutil.rmtree(base)

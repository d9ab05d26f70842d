"""Sample logs for the blocks of the documents: what a small demo leaves behind."""

import shutil

import pytest

from recsys.demo import run as demo


@pytest.fixture(scope="session")
def samples(small_demo, tmp_path_factory):
    """A folder with exposures, outcomes, assignments, items, events, a configuration and its snapshot."""
    folder = tmp_path_factory.mktemp("samples")
    for name, target in (
        (demo.EXPOSURES, "exposures.jsonl"), (demo.OUTCOMES, "outcomes.jsonl"), (demo.ASSIGNMENTS, "assignments.jsonl"),
        (demo.ITEMS, "items.jsonl"), (demo.EVENTS, "events.jsonl"), (demo.CONFIG, "config.json"),
        (demo.SNAPSHOT, "snapshot.json"),
    ):  # fmt: skip
        shutil.copy(small_demo.demo.out / name, folder / target)
    return folder

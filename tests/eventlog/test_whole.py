"""Outputs appear whole or not at all, and what is no plain file stays what it is."""

import os

import pytest

from recsys.errors import StorageError
from recsys.eventlog.whole import whole


def test_the_name_is_taken_at_the_end(tmp_path):
    """Until then the old content stands, and nothing else is left afterwards."""
    path = tmp_path / "report.json"
    path.write_text("old")
    with whole(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_what_was_there(tmp_path, error):
    """The old content stays, and no part of the new one."""
    path = tmp_path / "report.json"
    path.write_text("old")
    with pytest.raises(error), whole(path) as part:  # noqa: PT012
        part.write_text("half")
        raise error
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]
    assert path.read_text() == "old"


def test_a_pipe_stays_a_pipe_and_a_link_a_link(tmp_path):
    """A device must not be replaced by a file: a root user's /dev/null would be gone."""
    pipe, link, file = tmp_path / "pipe", tmp_path / "link", tmp_path / "file"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    file.touch()
    link.symlink_to(file)
    for path in (pipe, link):
        with whole(path) as part:
            part.write_text("new")
    assert os.read(reader, 100) == b"new"
    os.close(reader)
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert file.read_text() == "new"


@pytest.mark.parametrize("name", ["", "no/such/folder/file"])
def test_where_nothing_can_be_written(tmp_path, name):
    """A folder, or a file in a folder that is not there."""
    with pytest.raises(StorageError, match="cannot be written"), whole(tmp_path / name) as part:
        part.write_text("new")

"""Work spread over processes: every piece once, errors as they were raised, a process that ends is told."""

from multiprocessing import active_children

import pytest

from recsys.errors import InputError, StorageError
from recsys.eventlog.workers import spread
from spread_work import square


@pytest.mark.parametrize("workers", [1, 3, 9])
def test_every_piece_once(workers):
    """More pieces than processes, or fewer: each comes back with its own result."""
    assert sorted(spread(square, range(7), workers)) == [(number, number * number) for number in range(7)]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_is_raised_as_it_was(workers):
    """The error of a piece ends the work with the same type and words, and says where it came from."""
    with pytest.raises(InputError, match=r"no square of it \(found -1\)") as raised:
        list(spread(square, [2, -1, 3], workers))
    assert workers == 1 or "in square" in raised.value.__notes__[0]


def test_a_process_that_ends_is_told():
    """Where a process ends without an answer, nobody waits for it."""
    with pytest.raises(StorageError, match="was ended from outside"):
        list(spread(square, [1, 13, 2, 3], 2))


def test_no_process_is_left_when_nobody_wants_the_rest():
    """A caller that stops early leaves no process behind."""
    results = spread(square, range(100), 2)
    next(results)
    assert len(active_children()) == 2
    results.close()
    assert active_children() == []

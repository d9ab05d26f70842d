"""Threads of writers that a test kills end without a word, as they would with their process."""

import pytest

from log_world import killed_threads


@pytest.fixture(autouse=True)
def _killed_threads():
    """A ``Crash`` that ends a thread is no failure of the test."""
    with killed_threads():
        yield

"""What is told of detectors: each has words of its own, and they name all of its limits."""

from collections import Counter

import pytest

from recsys.attribution.doctor.detectors import DETECTORS, EXPLAINS

BY_NAME = {each.name: each for each in DETECTORS}


@pytest.mark.parametrize("name", BY_NAME)
def test_limits_are_told(name):
    """Each limit stands in the description, with what it is for."""
    detector = BY_NAME[name]
    assert [limit for limit in detector.limits if f"``{limit}``" not in detector.description] == []


def test_no_paragraph_is_of_two_detectors():
    """A reader can tell which sentence belongs to which limit."""
    told = Counter(paragraph for each in DETECTORS for paragraph in each.description.split("\n\n"))
    assert [paragraph for paragraph, n in told.items() if n > 1] == []


def test_what_explains_what_is_of_detectors():
    """Names on both sides, and causes stand before what they explain."""
    places = {name: place for place, name in enumerate(BY_NAME)}
    for cause, explained in EXPLAINS.items():
        assert all(places[cause] < places[other] for other in explained)

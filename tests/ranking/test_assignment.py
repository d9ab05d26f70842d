"""Experiment assignment: the published vectors, weights, and the traffic gate."""

import hashlib
import hmac
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.ranking.assignment import assign, in_traffic

SALT = b"salt"


@pytest.mark.parametrize(("subject", "variant"), [("user-123", "B"), ("u1", "B"), ("u2", "A"), ("u3", "A")])
def test_vectors(subject, variant):
    """Salt ``salt``, experiment exp-1, variants A and B of equal weight."""
    assert assign(SALT, "exp-1", subject, [("A", 1), ("B", 1)]) == variant


@given(st.text(min_size=1, max_size=20), st.integers(2, 6), st.integers(1, 1000))
def test_equal_weights_are_the_number_modulo_the_count(subject, count, weight):
    """Whatever the equal weight is, it is reduced away."""
    variants = [f"v{number}" for number in range(count)]
    digest = hmac.new(SALT, f"e:{subject}".encode(), hashlib.sha256).digest()
    expected = variants[int.from_bytes(digest[:8], "big") % count]
    assert assign(SALT, "e", subject, [(name, weight) for name in variants]) == expected


@given(st.text(min_size=1, max_size=20), st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(1, 7))
def test_weights_with_a_common_factor_assign_alike(subject, weights, factor):
    """2:4 is 1:2."""
    plain = [(f"v{number}", weight) for number, weight in enumerate(weights)]
    scaled = [(name, weight * factor) for name, weight in plain]
    assert assign(SALT, "e", subject, plain) == assign(SALT, "e", subject, scaled)


def test_weights_are_shares_of_the_subjects():
    """1:3 over 20,000 subjects is a quarter and three quarters, within four standard errors."""
    found = Counter(assign(SALT, "e", f"s{number}", [("A", 1), ("B", 3)]) for number in range(20_000))
    assert abs(found["A"] - 5_000) < 4 * (20_000 * 0.25 * 0.75) ** 0.5


def test_no_variant_is_an_error():
    """There is nobody to assign to."""
    with pytest.raises(ValueError, match="at least one variant"):
        assign(SALT, "e", "s", [])


def test_the_traffic_gate_opens_by_percent():
    """Nobody at 0, everybody at 100, a nested share between, and independent of the variant."""
    subjects = [f"s{number}" for number in range(20_000)]
    inside = {percent: {s for s in subjects if in_traffic(SALT, "e", s, percent)} for percent in (0, 0.5, 25, 50, 100)}
    assert not inside[0]
    assert inside[100] == set(subjects)
    assert inside[0.5] < inside[25] < inside[50]
    assert abs(len(inside[25]) - 5_000) < 4 * (20_000 * 0.25 * 0.75) ** 0.5
    arm = Counter(assign(SALT, "e", s, [("A", 1), ("B", 1)]) for s in inside[25])
    assert abs(arm["A"] - arm["B"]) < 4 * len(inside[25]) ** 0.5


def test_the_traffic_gate_is_the_documented_hash():
    """HMAC over "traffic:<exp>:<subject>", modulo 10,000, below percent × 100."""
    number = int.from_bytes(hmac.new(SALT, b"traffic:exp-1:u1", hashlib.sha256).digest()[:8], "big") % 10_000
    assert in_traffic(SALT, "exp-1", "u1", (number + 1) / 100)
    assert not in_traffic(SALT, "exp-1", "u1", number / 100)

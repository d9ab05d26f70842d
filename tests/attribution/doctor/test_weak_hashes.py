"""Weak hashes: pseudonyms that guessing undoes are told with their function, and no others are."""

import hashlib
import hmac
import random

import pytest

from recsys.attribution.doctor.guesses import families
from recsys.attribution.doctor.weak_hashes import WeakHashSearch
from recsys.eventlog.pseudonym import pseudonym
from recsys.eventlog.salt import PLACEHOLDERS

COLUMN = "exposures.user_id"


def found(values, rows=None, known=None):
    search = WeakHashSearch(known)
    search.add(COLUMN, values, rows or [1] * len(values))
    return search.found()


@pytest.mark.parametrize(
    ("algorithm", "name"),
    [("md5", "MD5"), ("sha1", "SHA-1"), ("sha224", "SHA-224"), ("sha256", "SHA-256"), ("sha512", "SHA-512")],
)
def test_functions_without_a_key_are_told(algorithm, name):
    """Three ids from all over the range suffice, in either case; each kind of id is told apart."""
    made = [hashlib.new(algorithm, text.encode()).hexdigest() for text in ("0", "user-123456", "199999", "u_77", "u42")]
    made.append(hashlib.new(algorithm, b"user_000999").hexdigest().upper())
    told = found([*made, "u-1", "x" * len(made[0])], rows=[1, 2, 4, 8, 16, 32, 64, 128])
    assert {(weak.function, weak.ids, weak.values, weak.rows) for weak in told} == {
        (name, "numbers", 2, 5),
        (name, "numbers after 'user-'", 1, 2),
        (name, "numbers after 'u_'", 1, 8),
        (name, "numbers after 'u'", 1, 16),
        (name, "numbers padded to 6 digits after 'user_'", 1, 32),
    }
    assert {example for weak in told for example in weak.examples} == set(made)


@pytest.mark.parametrize("key", ["", "salt", *PLACEHOLDERS])
def test_well_known_keys_are_told(key):
    """Pseudonyms as the suite makes them, under an empty key or a placeholder, are no pseudonyms."""
    values = [hmac.new(key.encode(), f"user_{number}".encode(), "sha256").hexdigest() for number in range(40)]
    [weak] = found(values)
    assert weak.values == 40
    assert weak.function == f"HMAC-SHA256 with {f'the key {key!r}' if key else 'an empty key'}"
    assert weak.ids == "numbers after 'user_'"


def test_one_that_a_sample_finds_is_followed_by_all():
    """Ids drawn from the whole range: where the sample meets one, every one is counted."""
    rng = random.Random(30)
    ids = rng.sample(range(2_000, 200_000), 500)
    values = [pseudonym(b"changeme", f"u{number}") for number in ids]
    assert [(weak.values, weak.ids) for weak in found(values)] == [(500, "numbers after 'u'")]


def test_raw_ids_of_the_other_log_are_guesses():
    """An e-mail address seen elsewhere gives its hash away, also in lower case and without blanks around it."""
    raw = [f"Jane{number}@Example.org" for number in range(50)]
    values = [hashlib.sha256(address.lower().encode()).hexdigest() for address in raw[:30]]
    values += [pseudonym(b"secret", address) for address in raw[30:]]
    told = found(values, known={"outcomes.user_id": [f" {address} " for address in raw]})
    assert {(weak.function, weak.ids, weak.values) for weak in told} == {
        ("SHA-256", "ids of outcomes.user_id", 30),
        ("HMAC-SHA256 with the key 'secret'", "ids of outcomes.user_id", 20),
    }
    assert found(values) == []


def test_a_hash_is_explained_once():
    """An id that is both a number and known is told as a number."""
    values = [hashlib.md5(b"%d" % number).hexdigest() for number in range(5)]
    [weak] = found(values, known={"outcomes.user_id": [str(number) for number in range(5)]})
    assert (weak.ids, weak.values) == ("numbers", 5)


def test_pseudonyms_under_a_secret_are_not_weak():
    """HMAC-SHA256 under a random key of the very same ids, random hex, and ids that no hash made."""
    rng = random.Random(31)
    salt = rng.randbytes(32)
    strong = [pseudonym(salt, f"user-{number}") for number in range(2_000)]
    strong += [rng.randbytes(size).hex() for size in (16, 20, 28, 32, 64) for _ in range(200)]
    strong += [f"user-{number}" for number in range(100)]
    assert found(strong, known={"outcomes.user_id": [f"user-{number}" for number in range(2_000)]}) == []


def test_columns_and_batches_add_up():
    """Columns are told apart, batches are not."""
    search = WeakHashSearch()
    values = [hashlib.sha1(b"user-%d" % number).hexdigest() for number in range(60)]
    search.add("outcomes.user_id", values[:40], [1] * 40)
    search.add("outcomes.user_id", [*values[40:], "z" * 40], [2] * 21)
    search.add("exposures.user_id", [value.upper() for value in values[:3]], [5] * 3)
    assert [(weak.column, weak.values, weak.rows) for weak in search.found()] == [
        ("exposures.user_id", 3, 15),
        ("outcomes.user_id", 60, 80),
    ]


def test_no_repr_shows_a_value():
    """What was found can be logged."""
    values = [hashlib.md5(b"%d" % number).hexdigest() for number in range(50)]
    [weak] = found(values)
    assert 0 < len(weak.examples) < 50
    assert set(weak.examples) <= set(values)
    assert not any(value in repr(weak) for value in values)


def test_no_id_is_guessed_twice():
    """Families do not overlap, and samples are theirs."""
    seen = set()
    for family in families():
        numbers = list(family.sample(dense=True))
        assert numbers == sorted(set(numbers))
        assert numbers[-1] < family.count
        ids = family.ids(range(0, family.count, 7))
        assert seen.isdisjoint(ids)
        seen.update(ids)


def test_nothing_is_hashed_without_hex(monkeypatch):
    """Columns of other values cost nothing: no function is asked for."""
    monkeypatch.setattr("recsys.attribution.doctor.weak_hashes.families", lambda: pytest.fail("guesses were made"))
    assert found([f"user-{number}" for number in range(1_000)]) == []

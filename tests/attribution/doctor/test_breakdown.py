"""Where and when a fault is: found where it was put, and nowhere in logs in which chance put it."""

import itertools
import math

import numpy as np
import pytest

from recsys.attribution.doctor.breakdown import (
    Cell,
    Counted,
    by_value,
    percent,
    stretch,
    tellable,
    told_by_key,
    told_value,
    where,
    where_and_when,
    within,
)

KEYS = ("device", "version")


def cell(bucket, values, n, hit):
    return Cell(bucket, values, n, hit)


def random_cells(rng, rate, *, buckets=60, values=(("web", "1"), ("web", "2"), ("app", "1"), (None, None))):
    """Cells of random sizes in which each row has the fault with the probability ``rate(bucket, values)``."""
    made = []
    for bucket, value in itertools.product(range(buckets), values):
        n = int(rng.integers(0, 8))
        made.append(cell(bucket * 60, value, n, int(rng.binomial(n, rate(bucket, value)))))
    return made


def likelihood(parts):
    """Of counts of (hit, n), each at its own rate."""
    total = 0.0
    for hit, n in parts:
        for part in (hit, n - hit):
            if part:
                total += part * math.log(part / n)
    return total


def best_stretch(cells):
    """The stretch of the highest likelihood, by trying all of them in plain Python."""
    buckets = sorted({each.bucket_us for each in cells})
    sums = [[sum(getattr(each, name) for each in cells if each.bucket_us == bucket) for name in ("hit", "n")]
            for bucket in buckets]  # fmt: skip
    found = []
    for since, until in itertools.combinations(range(len(buckets) + 1), 2):
        inside = [sum(column) for column in zip(*sums[since:until], strict=True)]
        outside = [sum(part[place] for part in sums) - inside[place] for place in range(2)]
        if inside[1] and outside[1] and inside[0] * outside[1] > outside[0] * inside[1]:
            found.append((likelihood([inside, outside]), -since, -until))
    _, since, until = max(found)
    return buckets[-since] if since else None, buckets[-until] if -until < len(buckets) else None


@pytest.mark.parametrize("seed", range(6))
def test_a_stretch_is_the_likeliest_one(seed):
    """A fault that begins, that ends, or both, is found where plain Python finds it, and at most a bucket off."""
    rng = np.random.default_rng(seed)
    since, until = [(20, 60), (0, 25), (15, 40)][seed % 3]
    cells = random_cells(rng, lambda bucket, _: 0.9 if since <= bucket < until else 0.02)
    found = stretch(cells)
    assert found is not None
    assert (found.since_us, found.until_us) == best_stretch(cells)
    assert abs((found.since_us or 0) - since * 60) <= 60
    assert abs((found.until_us or 3_600) - until * 60) <= 60


def test_no_stretch_and_no_place_by_chance():
    """In 2,000 logs whose faults are anywhere none is told to be somewhere, or at some time."""
    rng = np.random.default_rng(11)
    for rate in (0.01, 0.1, 0.5, 0.95):
        for _ in range(500):
            cells = random_cells(rng, lambda *_: rate, buckets=40)  # noqa: B023
            assert stretch(cells) is None
            assert where(cells, KEYS) is None


def test_a_place_is_found_with_all_its_values():
    """Values that have the fault are named together, the absent one too; of two keys that tell it alike the first."""
    rng = np.random.default_rng(3)
    found = where(random_cells(rng, lambda _, values: 0.8 if values[0] in {"app", None} else 0.02), KEYS)
    assert found is not None
    assert (found.key, set(found.values)) == ("device", {"app", None})
    assert str(found) == "device=app or no device"
    both = where([cell(0, ("app", "a"), 40, 40), cell(0, ("web", "b"), 40, 0)], KEYS)
    assert str(both) == "device=app"
    assert str(where([cell(0, ("app", "a"), 40, 40), cell(0, ("app", "b"), 40, 0)], KEYS)) == "version=a"


def test_few_rows_tell_no_place():
    """Nineteen faults all of one of two devices are chance's work once in 524,288 times: too often."""
    for n, place in ((19, None), (20, "device=app")):
        found = where([cell(0, ("app", "1"), n, n), cell(0, ("web", "1"), n, 0)], KEYS)
        assert (found and str(found)) == place


def test_within_and_by_value():
    """Cells and counts of a place."""
    cells = [cell(0, ("app", "1"), 20, 20), cell(60, ("app", "2"), 20, 19), cell(60, ("web", "2"), 30, 0)]
    assert by_value(cells, 0) == {"app": Counted(39, 40), "web": Counted(0, 30)}
    place = where(cells, KEYS)
    assert place is not None
    assert within(cells, KEYS, place) == cells[:2]
    assert told_by_key(cells, KEYS)[0] == "By device: app 39 of 40, web 0 of 30."
    assert told_by_key([cell(0, ("app", "1"), 50, 9), cell(0, ("web", "1"), 60, 12)], KEYS) == []
    assert where_and_when(cells, KEYS) == (place, None)
    assert where_and_when([], KEYS) == (None, None)


def test_when_is_when_within_the_place():
    """A fault of all of the app, which is there from the 30th minute on, has no beginning of its own; one that begins
    later in the app has."""

    def cells(begin):
        web = [cell(minute * 60, ("web", "1"), 5, 0) for minute in range(60)]
        return web + [cell(minute * 60, ("app", "1"), 5, 5 if minute >= begin else 0) for minute in range(30, 60)]

    place, when = where_and_when(cells(30), KEYS)
    assert (str(place), when) == ("device=app", None)
    place, when = where_and_when(cells(45), KEYS)
    assert (str(place), when and when.since_us, when and when.until_us) == ("device=app", 45 * 60, None)


@pytest.mark.parametrize(
    "value",
    [
        "jane@example.org", "+49 30 55501234", "4111 1111 1111 1111", "DE89370400440532013000", "10.17.3.9", "8.8.8.8",
        "2001:db8::1", "fe80::1%eth0", "x" * 41, "a\x1b[31m",
    ],
)  # fmt: skip
def test_values_that_could_be_somebodys_are_not_told(value):
    """Addresses, long numbers and what a terminal obeys are told by their length."""
    assert tellable(value) == f"(a value of {len(value)} characters)"


@pytest.mark.parametrize("value", ["app", "4.2.0", "web-118", "12.10.1", "de-DE", "2026-02-05", "r-0b3e5d42", "Köln"])
def test_other_values_are_told(value):
    """Versions, dates, languages and names of things are told, but of no key that is named after people."""
    assert tellable(value) == told_value("user_segment", value) == value
    for key in ("email", "user", "userId", "customer_no", "client_ip", "name", "firstName"):
        assert told_value(key, value) == f"(a value of {len(value)} characters)"


@pytest.mark.parametrize(
    "key",
    [
        "password", "user_password", "api_key", "X-Api-Key", "apiKey", "accesstoken", "session_token", "client_secret",
        "authorization", "auth", "cookie", "session", "sessionId", "session_value", "credentials", "pwd", "jwt", "otp",
    ],
)  # fmt: skip
def test_values_of_keys_named_after_secrets_are_not_told(key):
    """Whatever they look like."""
    assert told_value(key, "blue") == "(a value of 4 characters)"


@pytest.mark.parametrize("key", ["session_kind", "cookie_consent", "auth_provider", "author", "spin", "key_visual"])
def test_values_about_secrets_are_told(key):
    """A word that only stands near to one, or tells something about it, withholds nothing."""
    assert told_value(key, "blue") == "blue"


@pytest.mark.parametrize(
    "value",
    [
        "Bearer abcdef", "eyJhbGciOiJIUzI1NiJ9.e30.abc", "sk-live-abcdef", "pk_live_abcdef", "ghp_0123456789ab",
        "AKIAIOSFODNN7EXAMPLE",
    ],
)  # fmt: skip
def test_values_in_the_form_of_secrets_are_not_told(value):
    """Under no name, and not as the name of an experiment."""
    assert tellable(value) == told_value("release", value) == f"(a value of {len(value)} characters)"


@pytest.mark.parametrize(
    "value", ["0b3e5d42aa" * 4, "9b2d7f04-1f3a-4c55-8e21-ab34cd56ef78", "aB3dE5gH7jK9mN1pQ3sT", "a1+Bc/" * 4 + "=="]
)
def test_long_random_values_are_told_of_things_alone(value):
    """A commit is a release's name; elsewhere it may be what somebody is let in by."""
    assert told_value("visit", value) == f"(a value of {len(value)} characters)"
    assert told_value("release", value) == tellable(value)


def test_blank_values_and_shares():
    """A blank is called so; a share is never rounded to none or all."""
    assert tellable(" ") == "(blank)"
    told = [percent(share) for share in (0, 1, 0.5, 0.99996, 0.00004)]
    assert told == ["0%", "100%", "50.0 %", "99.9960 %", "0.0040 %"]

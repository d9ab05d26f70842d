"""Words about ids and names: spellings that mean one thing, and what ids look like."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doctor_world import pseudonym
from recsys.attribution.doctor.shapes import shape
from recsys.attribution.doctor.spellings import canonical, distance, near, nearest, words


@pytest.mark.parametrize(
    "alike", [["item_page", "item-page", "Item Page", "itemPage", "ITEM.PAGE", "itempage"], ["4.2", "4-2", "4_2"]]
)
def test_spellings_of_one_thing(alike):
    """Case and marks between words make no difference."""
    assert len({canonical(each) for each in alike}) == 1


@pytest.mark.parametrize("pair", [("1.10", "11.0"), ("home", "homes"), ("a1", "a_1"), ("+", "-"), ("", " ")])
def test_spellings_of_two_things(pair):
    """Where there are digits the marks count, and so do texts of marks alone."""
    assert canonical(pair[0]) != canonical(pair[1])


def test_words_of_names():
    """Words are told by marks and by capitals."""
    assert words("tenantId") == words("Tenant-ID") == words("tenant_id") == ["tenant", "id"]
    assert words("HTTPStatus code") == ["http", "status", "code"]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("tenant", "tenant_id"), ("tenantId", "tenant_id"), ("TENANT_ID", "tenant_id"), ("tennant_id", "tenant_id"),
        ("Surface", "surface"), ("page_surface", "surface"), ("surfcae", "surface"), ("surface_id", "surface"),
    ],
)  # fmt: skip
def test_keys_that_are_near(name, wanted):
    """Another spelling, a misspelling, a name made with the word."""
    assert near(name, wanted)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("surface", "surface"), ("device", "surface"), ("service", "surface"), ("id", "tenant_id"),
        ("user_id", "tenant_id"), ("locale", "surface"), ("segment", "tenant_id"),
    ],
)  # fmt: skip
def test_keys_that_are_not_near(name, wanted):
    """The key itself, and other words."""
    assert not near(name, wanted)


def test_the_nearest_comes_first():
    """Those that are spelt most like it."""
    assert nearest(["page_surface", "device", "Surface", "surfaces"], "surface") == [
        "Surface", "surfaces", "page_surface",
    ]  # fmt: skip


@cache
def by_definition(one, other):
    """Optimal string alignment, straight from its recursion."""
    if not one or not other:
        return len(one) + len(other)
    found = [
        by_definition(one[:-1], other) + 1,
        by_definition(one, other[:-1]) + 1,
        by_definition(one[:-1], other[:-1]) + (one[-1] != other[-1]),
    ]
    if len(one) > 1 and len(other) > 1 and (one[-1], one[-2]) == (other[-2], other[-1]):
        found.append(by_definition(one[:-2], other[:-2]) + 1)
    return min(found)


@given(st.text("abc", max_size=7), st.text("abc", max_size=7))
def test_distances_equal_their_definition(one, other):
    """The table gives what the recursion gives, and is symmetric."""
    assert distance(one, other) == distance(other, one) == by_definition(one, other)


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        (["7", "12345", "123456"], "1–6 digits"),
        (["u7f", "ab12", "x"], "1–4 letters and digits"),
        (["jane", "joe"], "3–4 letters"),
        (["jane@example.org"], "16 characters with an @"),
        (["shopper-1", "shopper-2"], "9 letters, digits and marks"),
        (["ü b"], "3 characters"),
        (["123e4567-e89b-12d3-a456-426614174000"], "UUIDs"),
        (["d41d8cd98f00b204e9800998ecf8427e"], "32 hex digits, as MD5 gives them"),
        ([pseudonym("a"), pseudonym("b")], "64 hex digits, as SHA-256 gives them"),
        ([pseudonym("a").upper()], "64 upper-case hex digits, as SHA-256 gives them"),
        (["1" * 32], "32 digits"),
        ([], "nothing"),
    ],
)
def test_shapes_of_ids(ids, told):
    """Form and length, which give no id away."""
    assert shape(ids) == told


def test_a_few_odd_ids_do_not_change_the_shape():
    """The form is that of nine tenths, the lengths those between the shortest and longest twentieths."""
    assert shape([str(n) for n in range(1_000, 1_100)] + ["guest", "x" * 300]) == "4 digits"

"""The parts that tell identifiers: check digits, chance, and the quick tests that pass values by."""

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

import personal_values as made
from recsys.attribution.doctor.identifiers import phones
from recsys.attribution.doctor.identifiers.cards import Cards, gs1, luhn
from recsys.attribution.doctor.identifiers.chance import Share, tail
from recsys.attribution.doctor.identifiers.column import Column
from recsys.attribution.doctor.identifiers.emails import Emails
from recsys.attribution.doctor.identifiers.ibans import Ibans, is_valid
from recsys.attribution.doctor.identifiers.ipv4 import Ipv4s
from recsys.attribution.doctor.identifiers.ipv6 import Ipv6s
from recsys.attribution.doctor.identifiers.phones import Phones
from recsys.attribution.doctor.identifiers.plain_text import plain, suspects
from recsys.attribution.doctor.identifiers.sighting import Page, masked

DIGITS = st.text("0123456789", min_size=2, max_size=19)
MAKES = made.HASHES | made.IDS_OF_NOBODY | made.LONG_NUMBERS | made.SKUS | made.CONTEXTS


@given(DIGITS)
def test_luhn_agrees_with_the_digit_that_is_computed(number):
    """A number is right exactly where its last digit is the one that the others call for."""
    assert luhn(number) == (made.luhn_digit(number[:-1]) == number[-1])


@given(DIGITS)
def test_gs1_agrees_with_the_digit_that_is_computed(number):
    """The same for the check digit of an EAN."""
    assert gs1(number) == (made.ean(number[:-1]) == number)


def test_published_check_digits_are_right():
    """Cards of the networks, and the ISBN and EAN that everybody quotes."""
    assert all(map(luhn, made.TEST_CARDS))
    assert gs1("9783161484100")
    assert gs1("4006381333931")
    assert is_valid("GB82WEST12345698765432")


@given(st.integers())
def test_iban_check_digits_agree(seed):
    """An IBAN made digit by digit is right, and with any one digit changed it is not."""
    rng = random.Random(seed)
    number = made.iban_number(rng)
    at = rng.choice([place for place, char in enumerate(number) if char.isdigit()])
    changed = f"{number[:at]}{(int(number[at]) + rng.randint(1, 9)) % 10}{number[at + 1 :]}"
    assert is_valid(number)
    assert not is_valid(changed)


@given(st.integers(0, 400), st.floats(0, 1), st.sampled_from([0.01, 0.1, 0.64, 0.73]))
def test_chance_is_never_understated(seen, part, chance):
    """The bound is above the exact binomial tail, and equal to it where all are valid."""
    valid = round(seen * part)
    exact = float(binom.sf(valid - 1, seen, chance))
    assert tail(valid, seen, chance) >= exact * (1 - 1e-9)
    assert tail(seen, seen, chance) == pytest.approx(chance**seen)


def test_six_right_numbers_are_beyond_chance():
    """At one in ten each, six reach one in a million, and five do not; nor do seven of eight."""
    assert Share(0.1, 6, 6).is_beyond_chance()
    assert not Share(0.1, 5, 5).is_beyond_chance()
    assert not Share(0.1, 8, 7).is_beyond_chance()
    assert not Share(0.1).is_beyond_chance()


@given(st.integers(0, 1_000), st.integers(0, 1_000))
def test_the_expected_number_by_chance_follows_from_the_wrong_ones(valid, wrong):
    """Nine wrong ones call for one right one by chance; ``mostly`` compares just that."""
    share = Share(0.1, valid + wrong, valid)
    assert share.by_chance == pytest.approx(wrong / 9)
    random_ones = wrong + wrong / 9
    if valid and abs(random_ones - 0.5 * share.seen) > 1e-6:
        assert share.mostly(0.5) == (random_ones <= 0.5 * share.seen)


@pytest.mark.parametrize("shape", sorted(phones._SHAPES | phones._COMMON))
def test_as_many_random_groups_begin_like_a_phone_number_as_is_said(shape):
    """The share that the code gives for random digits is the share that it finds in random digits."""
    rng, finder = random.Random(shape), Phones(Column("exposures.user_id"))
    sizes = list(map(int, shape.split("-")))
    first = "018" if sizes[0] == 1 else None  # others of that size are looked at by nobody
    lines = [
        "-".join(rng.choice(first) if first and not at else made.digits(rng, size) for at, size in enumerate(sizes))
        for _ in range(4_000)
    ]
    begun = sum(1 for _, _, form in finder._national(Page(lines).text) if form[0] == shape)
    _, chance = (phones._SHAPES | phones._COMMON)[shape]
    assert begun == pytest.approx(4_000 * chance, abs=5 * (4_000 * chance * (1 - chance)) ** 0.5 + 8)


def finders():
    column = Column("exposures.context.note")
    return [Emails(), Ibans(), Ipv4s(column), Ipv6s(column), Cards(column), Phones(column)]


@st.composite
def near_identifiers(draw):
    """An identifier, or a value that is none, with some characters changed, dropped or added."""
    rng = random.Random(draw(st.integers()))
    if draw(st.booleans()):
        value = rng.choice([*made.IDS, *made.SENTENCES]).format(made.MAKERS[rng.choice(list(made.MAKERS))](rng))
    else:
        value = MAKES[rng.choice(list(MAKES))](rng, rng.randrange(1_000))
    for _ in range(draw(st.integers(0, 4))):
        at = rng.randrange(len(value) + 1)
        value = (
            value[:at]
            + rng.choice(["", "0", "1", "4", "a", "D", "E", "-", " ", ".", ":", "+", "/", "@"])
            + value[at + rng.randint(0, 3) :]
        )
    return value


@given(near_identifiers())
@settings(deadline=None, max_examples=400)
def test_nothing_is_passed_by_that_a_precise_look_would_see(value):
    """Where the glance at a whole value, or the quick test of a kind, rules it out, the precise look sees nothing."""
    page = Page(plain([value]))
    for finder in finders():
        if not suspects(page.lines) or not finder.pick(page).lines:
            assert list(finder.look(page)) == [], finder.kind


@given(st.lists(near_identifiers(), min_size=1, max_size=6))
@settings(deadline=None)
def test_what_is_seen_does_not_depend_on_the_neighbours(values):
    """The lines of a page are looked at one by one: sightings are those of each alone, in order and apart."""
    lines = list(plain(values))
    for together, alone in zip(finders(), finders(), strict=True):
        page = Page(lines)
        seen = list(together.look(page))
        assert seen == sorted(seen, key=lambda sighting: sighting[:2])
        assert all(one[1] <= other[0] for one, other in pairwise(seen))
        apart = [
            page_text[start:end]
            for page_text in (Page([line]).text for line in lines)
            for start, end, _ in alone.look(Page([page_text[1:-1]]))
        ]
        assert [page.text[start:end] for start, end, _ in seen] == apart


def test_masked_text_keeps_its_length():
    """What was seen is blotted out, the rest stays where it was."""
    assert masked("ab cd ef", [(0, 2, None), (6, 8, None)]) == "\0\0 cd \0\0"


def test_plain_spelling():
    """Full-width, Arabic-Indic and escaped characters, dashes and invisible marks become what would be typed."""
    given_ = ["＋４４ ２０", "٠٦", "a%40b", "1\u20112", "\u202a+1\u202c", "a\nb", "100%"]
    assert list(plain(given_)) == ["+44 20", "06", "a@b", "1-2", "+1", "a b", "100%"]
    untouched = ["abc", "d-e"]
    assert plain(untouched) is untouched


def test_the_words_of_a_column_are_those_of_its_last_part():
    """Names in snake, kebab and camel case; the relation does not count, nor does a word within a word."""
    assert Column("exposures.context.lastItemId").of_items
    assert Column("outcomes.item_id").of_items
    assert not Column("items.user_id").of_items
    assert not Column("exposures.context.itemised").of_items
    assert Column("exposures.context.clientIP").of_addresses
    assert not Column("exposures.context.zip").of_addresses
    assert Column("exposures.context.app-version").of_versions
    assert Column("exposures.context.card_number").of_cards

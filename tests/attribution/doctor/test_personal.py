"""Personal identifiers in columns: what is planted is found, and what is nobody's is not."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import personal_values as made
from recsys.attribution.doctor.personal import ColumnSearch

KINDS = list(made.MAKERS)
EVERYTHING = 10**9
BATCH = 20_000
MAKES = made.HASHES | made.IDS_OF_NOBODY | made.LONG_NUMBERS | made.SKUS | made.CONTEXTS


def found(column, values, rows=None, batch=BATCH):
    """What a column holds: kind → Match, with all values."""
    search = ColumnSearch(column, examples=EVERYTHING)
    rows = rows or [1] * len(values)
    for at in range(0, len(values), batch):
        search.add(values[at : at + batch], rows[at : at + batch])
    return {str(match.kind): match for match in search.found()}


def told(value, column="exposures.context.note"):
    return list(found(column, [value]))


# Published examples: RFC 5321 and 6531, SWIFT's IBAN registry, the networks' test cards, RFC 4291, 5737, 3849 and 3966.
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("e-mail", "jane@example.org"),
        ("e-mail", "JANE.DOE@EXAMPLE.ORG"),
        ("e-mail", "user:jane@example.org"),
        ("e-mail", "mailto:jane@example.org?subject=hello"),
        ("e-mail", "Jane Doe <jane+tag@mail.example.co.uk>"),
        ("e-mail", "jane%40example.org"),
        ("e-mail", "用户@例子.广告"),
        ("e-mail", "Dörte@Sörensen.example.com"),
        ("e-mail", "jane＠example.org"),
        ("e-mail", "jane@[192.0.2.1]"),
        ("e-mail", '"john doe"@example.org'),
        ("e-mail", "jane [at] example [dot] org"),
        ("e-mail", "212-555-0123@example.org"),
        ("phone", "+442079460958"),
        ("phone", "+44 20 7946 0958"),
        ("phone", "tel:+1-201-555-0123"),
        ("phone", "+49 (0)30 23125 123"),
        ("phone", "(212) 555-0123"),
        ("phone", "212-555-0123"),
        ("phone", "user-212-555-0123"),
        ("phone", "0049-30-23125123"),
        ("phone", "011-44-20-7946-0958"),
        ("phone", "020 7946 0958"),
        ("phone", "01 99 00 12 34"),
        ("phone", "call 212.555.0123, not before ten"),
        ("phone", "\u202a+44 20 7946 0958\u202c"),
        ("phone", "+٤٤ ٢٠ ٧٩٤٦ ٠٩٥٨"),
        ("card", "4111 1111 1111 1111"),
        ("card", "4111-1111-1111-1111"),
        ("card", "3782 822463 10005"),
        ("card", "3056 930902 5904"),
        ("card", "paid with 4111111111111111 today"),
        ("IBAN", "GB82 WEST 1234 5698 7654 32"),
        ("IBAN", "GB82WEST12345698765432"),
        ("IBAN", "gb82west12345698765432"),
        ("IBAN", "DE89 3704 0044 0532 0130 00"),
        ("IBAN", "user:DE89370400440532013000"),
        ("IBAN", "FR14 2004 1010 0505 0001 3M02 606"),
        ("IBAN", "MT84 MALT 0110 0001 2345 MTLC AST0 01S"),
        ("IBAN", "NO93 8601 1117 947"),
        ("IBAN", "QA58 DOHB 0000 1234 5678 90AB CDEF G"),
        ("IPv4", "203.0.113.9"),
        ("IPv4", "203.0.113.9:443"),
        ("IPv4", "http://198.51.100.7/index.html"),
        ("IPv4", "ip=10.0.0.5"),
        ("IPv6", "2001:db8::1"),
        ("IPv6", "2001:0DB8:0:0:8:800:200C:417A"),
        ("IPv6", "user:2001:db8::8:800:200c:417a"),
        ("IPv6", "device:[2001:db8::1]:443"),
        ("IPv6", "fe80::1ff:fe23:4567:890a%eth2"),
        ("IPv6", "add:2001:db8:0:0:8:800:200c:417a"),
        ("IPv6", "::ffff:192.0.2.33"),
    ],
)
def test_published_examples_are_found(kind, value):
    """Each is told as what it is, once, and as nothing else."""
    assert told(value) == [kind]


@pytest.mark.parametrize(
    "value",
    [
        "logo@2x.png", "shot@desk.png", "@scope/lib@1.2.3-beta.rc", "git@host.example:path", "@handle", "lunch @ noon",
        "+51.507351", "+40.6894-074.0447/", "2024-01-15T10:00:00.123+05:30", "GMT+0530", "1.5e+12345678", "8FVC9G8F+5W",
        "AB-212-555-0123", "978-3-16-148410-0", "0-306-40615-2", "7732-18-5", "123-45-6789", "114-1234567-1234567",
        "12345678-1234-4234-8234-123456789012",
        "12345678-9012", "02139-4307", "600 700 800", "212-55-0123",
        "2125550123", "12345-67890", "1234 5678 9012",
        "T-800-555-0199", "(2024)", "0.4539578623485762", "4111111111111111",
        "4111 1111 1111 1112", "4111-1111-1111-1111-5", "A4111111111111111A", "356938035643809", "9783161484100",
        "GB83 WEST 1234 5698 7654 32", "DE89 3704 0044 0532 0130 01", "DE893704004405320130001", "DE99SAVE2024",
        "10.2.1.5", "1.3.6.1.4.1.311", "v120.1.2.3", "Version 120.1.2.3", "Chrome/196.0.1.2", "203.0.113.256",
        "203.0.113.09", "120.1.2.3-beta",
        "12:34:56", "aa:bb:cc:dd:ee:ff", "aa:bb:cc:dd:ee:ff:00:11", "std::vector", "ad::123",
        "2345::789", "1::1193::5::978300760", "::1", "::", "1:2:3:4:5:6:7:8", "ff02::1", "tenant::home::u_1", "",
    ],
)  # fmt: skip
def test_what_only_resembles_an_identifier_is_none(value):
    """Files, versions, coordinates, article numbers, dates, namespaces, and one plain number that might be a card."""
    assert told(value) == []


@pytest.mark.parametrize(
    ("frames", "column"), [(made.IDS, "exposures.user_id"), (made.SENTENCES, "outcomes.context.note")]
)
def test_planted_identifiers_are_found_among_clean_values(frames, column):
    """Of 5,000 of six kinds in ids, and 5,000 in free text, 99 in 100 are found among hashes; nothing else."""
    rng = random.Random(20)
    clean = [make(rng, n) for make in (made.HASHES | made.IDS_OF_NOBODY).values() for n in range(300)]
    planted = {kind: made.planted(rng, kind, 834, frames) for kind in KINDS}
    values = list({value: None for one in (clean, *planted.values()) for value in one})
    rng.shuffle(values)
    results = found(column, values)
    for kind in KINDS:
        assert set(results[kind].examples) <= set(planted[kind])
        assert results[kind].values >= 0.99 * len(planted[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_of_one_kind_holds_no_other(kind):
    """All of 400 values of a kind are told as that, and none as another."""
    values = made.planted(random.Random(21), kind, 400, made.IDS + made.SENTENCES)
    results = found("outcomes.context.contact", values)
    assert list(results) == [kind]
    assert results[kind].values >= 0.99 * len(values)


def columns_of(name):
    if name in made.CONTEXTS:
        return (f"exposures.context.{name}",)
    return ("exposures.user_id", "outcomes.item_id", "outcomes.context.sku", "exposures.context.note")


def check_nobody(count):
    for name, make in MAKES.items():
        values = made.distinct(
            random.Random(f"nobody {name}"), make, min(count, 80_000 if "0123-45" in name else count)
        )
        for column in columns_of(name):
            assert found(column, values) == {}, (name, column)


def test_hashes_ids_skus_and_numbers_are_nobodys():
    """Values of seventy makes, each in columns of its own, of users, of items and of context."""
    check_nobody(700)


def test_makes_in_one_column_are_nobodys():
    """The same in one column, in any order."""
    rng = random.Random(22)
    makes = made.HASHES | made.IDS_OF_NOBODY | made.SKUS | made.LONG_NUMBERS
    values = list({make(rng, n): None for make in makes.values() for n in range(400)})
    rng.shuffle(values)
    for column in ("exposures.user_id", "outcomes.item_id", "exposures.context.note"):
        assert found(column, values) == {}


@pytest.mark.long
def test_a_million_values_are_nobodys():
    """A million of them."""
    check_nobody(-(-1_000_000 // len(MAKES)))


@pytest.mark.long
def test_ten_thousand_planted_among_a_million():
    """Ten thousand identifiers of six kinds among a million hashes, ids and SKUs that are told apart by their look."""
    rng = random.Random(23)
    makes = made.HASHES | made.IDS_OF_NOBODY
    clean = [make(rng, n) for make in makes.values() for n in range(-(-1_000_000 // len(makes)))]
    planted = {kind: made.planted(rng, kind, 1_667, made.IDS + made.SENTENCES) for kind in KINDS}
    values = list({value: None for one in (clean, *planted.values()) for value in one})
    rng.shuffle(values)
    results = found("exposures.user_id", values)
    for kind in KINDS:
        assert set(results[kind].examples) <= set(planted[kind])
        assert results[kind].values >= 0.99 * 1_667


# What the name of a column tells


def test_item_ids_are_no_phone_numbers():
    """Groups that may be those of a phone number count in no column of items; one with a plus does."""
    numbers = [f"212-555-{number:04d}" for number in range(100, 150)]
    assert found("exposures.user_id", numbers)["phone"].values == 50
    for column in ("outcomes.item_id", "exposures.context.lastSku", "exposures.context.product-id"):
        assert found(column, numbers) == {}
    assert found("outcomes.item_id", ["+1 212-555-0123"])["phone"].values == 1


def test_versions_are_no_addresses():
    """What may be either is a version where the column says so, and an address where it does."""
    quads = [f"120.{number}.1.5" for number in range(50)]
    for column in ("exposures.context.app_version", "exposures.context.osBuild", "outcomes.context.user-agent"):
        assert found(column, quads) == {}
    assert found("exposures.context.note", quads)["IPv4"].values == 50
    small = [f"10.0.0.{number}" for number in range(50)]
    assert found("exposures.context.note", small) == {}
    assert found("exposures.context.client_ip", small)["IPv4"].values == 50


def test_bare_quads_are_judged_together():
    """A few large parts make no addresses of versions, nor a few in range of other dotted numbers."""
    versions = [f"{number}.4.{number % 7}.1" for number in range(100)]
    assert found("exposures.context.note", [*versions, *(f"1.{number}.0.2" for number in range(100, 110))]) == {}
    numbers = [f"{number}.150.{number}.800" for number in range(300, 400)]
    assert found("exposures.context.note", [*numbers, "203.0.113.9"]) == {}


# Judged over the column


def random_numbers(rng, count, length=16):
    return list({made.digits(rng, length): None for _ in range(count)})


def test_columns_of_random_ids_hold_no_cards():
    """Of 600 columns of 1 to 60 random ids of 16 digits none holds cards, nor of 18 digits."""
    rng = random.Random(24)
    for length in (16, 18):
        for _ in range(600):
            values = random_numbers(rng, rng.randint(1, 60), length)
            assert found("exposures.user_id", values) == {}


def test_plain_cards_are_told_from_six():
    """Five right numbers may be chance, six are not; a wrong one among few makes it chance again."""
    cards = ["4111111111111111", "5555555555554444", "378282246310005", "6011111111111117", "4012888888881881"]
    assert found("exposures.user_id", cards) == {}
    six = [*cards, "30569309025904"]
    assert found("exposures.user_id", six)["card"].values == 6
    assert found("exposures.user_id", [*six, "4111111111111112"]) == {}
    assert found("exposures.context.card_number", cards[:1])["card"].values == 1


def test_the_networks_test_cards_are_found():
    """Plain, in one column, all of them."""
    assert set(found("exposures.user_id", made.TEST_CARDS)["card"].examples) == set(made.TEST_CARDS)


@pytest.mark.parametrize("share", [0.03, 0.3, 0.9])
def test_cards_among_random_ids_are_told_by_statistics(share):
    """All cards are among the rows that are named, and ``by_chance`` says how many of those rows are random ids."""
    rng = random.Random(25)
    cards = list({made.card_number(rng): None for _ in range(int(20_000 * share))})
    ids = random_numbers(rng, int(20_000 * (1 - share)))
    values = cards + ids
    rng.shuffle(values)
    match = found("exposures.user_id", values)["card"]
    named, wrong = set(match.examples), set(match.examples) - set(cards)
    assert len(named & set(cards)) >= (0.99 if share > 0.1 else 0.8) * len(cards)  # classes of few cards may be missed
    assert match.by_chance == pytest.approx(len(wrong), abs=4 * len(wrong) ** 0.5 + 4)
    assert len(wrong) < 0.1 * len(ids)


def test_cards_behind_letters_are_found():
    """The ids ``user4111…`` are looked at as well."""
    assert found("exposures.user_id", [f"user{number}" for number in made.TEST_CARDS])["card"].values == 22


def test_classes_choose_the_rows():
    """Where cards of one network stand among ids that begin like another's, only the former are named."""
    rng = random.Random(29)
    cards = [number for number in (made.card_number(rng) for _ in range(3_000)) if number[0] == "4"]
    ids = [f"51{made.digits(rng, 14)}" for _ in range(2_000)]
    match = found("exposures.user_id", list(dict.fromkeys(cards + ids)))["card"]
    assert set(match.examples) == set(cards)
    assert match.by_chance == 0


def test_item_ids_in_fours_are_no_lone_cards():
    """One right number in groups is a card anywhere but among items."""
    assert told("4111 1111 1111 1111", "exposures.user_id") == ["card"]
    assert told("4111 1111 1111 1111", "outcomes.item_id") == []


def test_an_ean_in_a_sentence_is_no_card():
    """Its digits are right by both rules; a column of cards of its length holds a few such, and they count there."""
    rng = random.Random(32)
    eans = (made.ean(f"4{made.digits(rng, 11)}") for _ in iter(int, 1))
    both = next(number for number in eans if made.luhn_digit(number[:-1]) == number[-1])
    assert told(f"the one with the code {both} please") == []
    diners = [f"36{made.digits(rng, 11)}" for _ in range(300)]
    diners = list({number + made.luhn_digit(number) for number in diners})
    assert found("exposures.user_id", diners)["card"].values == len(diners)


def test_one_number_in_many_texts_is_one_number():
    """An order number that happens to be right proves nothing, however many ids hold it."""
    values = [f"order:4111111111111111:{line}" for line in range(1_000)]
    assert found("exposures.user_id", values) == {}


def test_ibans_stand_or_fall_by_their_share():
    """Numbers of an IBAN's structure with random check digits are none, though one in 97 is right."""
    rng = random.Random(26)
    right = [made.iban_number(rng) for _ in range(100)]
    random_ones = [f"DE{made.digits(rng, 20)}" for _ in range(2_000)]
    assert found("exposures.user_id", random_ones) == {}
    assert found("exposures.user_id", right)["IBAN"].values == 100
    letters = "A1BCD2EFGHJKLMNPQRSTUVWX"
    assert told(f"GT{made.check_digits('GT', letters)}{letters}") == []
    mixed = found("exposures.user_id", right + random_ones[:200])["IBAN"]
    assert mixed.by_chance == pytest.approx(2, abs=0.1)


def test_random_groups_are_told_from_phone_numbers():
    """Article numbers in groups of a phone number have impossible area codes; real ones have not."""
    rng = random.Random(27)
    random_ones = [f"{made.digits(rng, 3)}-{made.digits(rng, 3)}-{made.digits(rng, 4)}" for _ in range(300)]
    real = [f"{rng.randrange(201, 990)}-{rng.randrange(201, 999)}-{made.digits(rng, 4)}" for _ in range(300)]
    assert found("exposures.user_id", random_ones) == {}
    assert found("exposures.user_id", real)["phone"].values == 300
    assert found("exposures.user_id", real + random_ones) == {}


def test_common_groups_have_to_be_beyond_chance():
    """Nine digits in threes are a phone number only where many of them begin like one."""
    rng = random.Random(28)
    spanish = [f"6{made.digits(rng, 2)} {made.digits(rng, 3)} {made.digits(rng, 3)}" for _ in range(40)]
    assert found("exposures.context.note", spanish)["phone"].values == 40
    assert found("exposures.context.note", spanish[:5]) == {}


# How it is counted


def test_rows_and_values_are_counted():
    """A value counts once with its rows, whatever it holds; one that holds two kinds counts for both."""
    values = ["jane@example.org, jim@example.org", "jane@example.org or +44 20 7946 0958", "u-1"]
    results = found("exposures.context.note", values, rows=[5, 7, 100])
    assert (results["e-mail"].values, results["e-mail"].rows) == (2, 12)
    assert (results["phone"].values, results["phone"].rows) == (1, 7)


def test_spellings_of_one_identifier_are_values_of_their_own():
    """Two values that differ in a typographic hyphen are two values, and come back as they were given."""
    values = ["212-555-0123", "212\u2011555\u20110123", "%2B442079460958", "+442079460958", "a\n212-555-0124"]
    match = found("exposures.user_id", values, rows=[1, 2, 4, 8, 16])["phone"]
    assert (match.values, match.rows) == (5, 31)
    assert set(match.examples) == set(values)


def test_what_was_found_shows_no_values():
    """A Match can be logged: neither its repr nor its text holds a value. A few are kept for the caller."""
    values = [f"jane{number}@example.org" for number in range(100)]
    search = ColumnSearch("exposures.user_id")
    search.add(values, [1] * 100)
    [match] = search.found()
    assert match.values == 100
    assert 0 < len(match.examples) < 50
    assert set(match.examples) <= set(values)
    assert "jane" not in repr(match) + str(match)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("unit", "kinds"),
    [
        ("paid with 4111111111111111 ", ["card"]), ("call +44 20 7946 0958, ", ["phone"]),
        ("jane@example.org ", ["e-mail"]),
        ("a:b:", []), ("::", []), ("01-02-", []), ("(at)", []), ("@a.a", []), ("+4", []), ("DE89", []), ("a1", []),
    ],
)  # fmt: skip
def test_long_values_are_looked_through(unit, kinds):
    """A value of half a megabyte takes a time in proportion: nothing is tried from each place to the end."""
    assert told(unit * (500_000 // len(unit))) == kinds


VALUES = st.lists(
    st.one_of(
        st.builds(lambda seed, kind: made.MAKERS[kind](random.Random(seed)), st.integers(), st.sampled_from(KINDS)),
        st.builds(
            lambda seed, name: MAKES[name](random.Random(seed), seed),
            st.integers(0, 9_999),
            st.sampled_from(list(MAKES)),
        ),
        st.text(max_size=12),
    ),
    max_size=30,
    unique=True,
)


@given(VALUES, st.integers(1, 30), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_neither_order_nor_batches_matter(values, batch, rng):
    """What is found does not depend on the order of the values, nor on how they are cut into batches."""
    rows = list(range(1, len(values) + 1))
    pairs = list(zip(values, rows, strict=True))
    rng.shuffle(pairs)
    once = found("exposures.context.note", values, rows)
    again = found("exposures.context.note", [value for value, _ in pairs], [count for _, count in pairs], batch)
    assert summary(once) == summary(again)


def summary(results):
    return {kind: (match.values, match.rows, match.by_chance, set(match.examples)) for kind, match in results.items()}

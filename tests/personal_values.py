"""Identifiers of people in many spellings, and values that are none: made with a seed, without the code under test.

Phone numbers are of the ranges that regulators keep for fiction; addresses of hosts partly of those kept for examples.
"""

import base64
import hashlib
import ipaddress
import uuid

FIRST = ["jane", "john", "maria", "li", "olga", "ahmed", "chloe", "björn", "sofia", "ivan", "mary-ann"]
LAST = ["doe", "smith", "garcia", "wang", "petrova", "khan", "dubois", "nilsson", "rossi", "o'neil"]
DOMAINS = [
    "example.org", "example.com", "mail.example.net", "example.co.uk", "example.museum", "163.com", "bücher.example",
    "shop.example.photography", "xn--bcher-kva.example", "sub-domain.example.info",
]  # fmt: skip
SENTENCES = (
    "please write to {} before noon",
    "{}, thanks",
    "contact: {}.",
    "my details are {}; I live at number 12",
    '{{"contact":"{}","ok":true}}',
    "Ruf mich an oder schreib: {}!",
    "({})",
    "联系 {} 谢谢",
)
IDS = ("user:{}", "u={}", "id/{}", "crm|{}", "{}#7", "<{}>", "member_{}", "{}")


def digits(rng, count):
    return "".join(rng.choices("0123456789", k=count))


def email(rng):
    first, last, domain = rng.choice(FIRST), rng.choice(LAST), rng.choice(DOMAINS)
    local = rng.choice(
        [f"{first}.{last}", f"{first}{digits(rng, 3)}", f"{first[0]}_{last}", f"{first}+{last}-news", f"{last}%{first}"]
    )
    number = digits(rng, 5)
    address = f"{local}{number}@{domain}"
    return rng.choice(
        [
            address,
            address.upper(),
            address.title(),
            f"mailto:{address}",
            f"{first.title()} {last.title()} <{address}>",
            f"{local}{number}".replace("%", "").replace("+", "%2B") + f"%40{domain}",
            f"{local.replace('%', '')}{number} [at] {domain.replace('.', ' [dot] ')}",
            f"{local.replace('%', '')}{number}(at){domain}",
        ]
    )


# Ranges for drama: NANP 555-01xx; Ofcom; Bundesnetzagentur; ARCEP; ACMA; PTS; ComReg.
def phone(rng):
    area = rng.choice(["212", "310", "415", "613", "808", "907"])
    return rng.choice([_american, _british, _german, _french, _australian, _swedish, _irish])(rng, area)


def _american(rng, area):
    last = f"{rng.randrange(100, 200):04d}"
    exchange = "555"
    return rng.choice(
        [
            f"({area}) {exchange}-{last}",
            f"({area}){exchange}-{last}",
            f"{area}-{exchange}-{last}",
            f"{area}.{exchange}.{last}",
            f"{area} {exchange} {last}",
            f"{area}/{exchange}-{last}",
            f"1-{area}-{exchange}-{last}",
            f"+1{area}{exchange}{last}",
            f"+1 {area} {exchange} {last}",
            f"+1 ({area}) {exchange}-{last}",
            f"+1-{area}-{exchange}-{last}x{digits(rng, 3)}",
            f"001-{area}-{exchange}-{last}",
            f"%2B1{area}{exchange}{last}",
            f"tel:+1-{area}-{exchange}-{last}",
        ]
    )


def _british(rng, _):
    last = digits(rng, 3)
    return rng.choice(
        [
            f"+44 20 7946 0{last}",
            f"+44 (0)20 7946 0{last}",
            f"+44(0)207946 0{last}",
            f"020 7946 0{last}",
            f"(020) 7946 0{last}",
            f"01632 960{last}",
            f"01632-960{last}",
            f"07700 900{last}",
            f"07700 900 {last}",
            f"+447700900{last}",
            f"0044 20 7946 0{last}",
            f"011-44-20-7946-0{last}",
            f"0113 496 0{last}",
            f"+44\u00a020\u00a07946\u00a00{last}",
            f"\u202a+44 20 7946 0{last}\u202c",
        ]
    )


def _german(rng, _):
    last = digits(rng, 3)
    return rng.choice(
        [
            f"030-23125{last}",
            f"030/23125{last}",
            f"(030) 23125{last}",
            f"030 23125 {last}",
            f"0049-30-23125{last}",
            f"0049 (0)30 23125{last}",
            f"+49 30 23125{last}",
            f"+49\u201130\u201123125{last}",
            f"+493023125{last}",
            f"0171 3920{last}",
            f"0171-3920{last}",
        ]
    )


def _french(rng, _):
    first, last = rng.choice(["01", "06"]), digits(rng, 4)
    middle = "99 00" if first == "01" else "39 98"
    spaced = f"{middle} {last[:2]} {last[2:]}"
    return rng.choice(
        [
            f"{first} {spaced}",
            f"{first} {spaced}".replace(" ", "."),
            f"{first} {spaced}".replace(" ", "-"),
            f"+33 {first[1]} {spaced}",
            f"0033 {first[1]} {spaced}",
        ]
    )


def _australian(rng, _):
    last = digits(rng, 3)
    return rng.choice([f"(02) 5550 {last}1", f"02 5550 {last}1", f"0491 570 {last}", f"+61 491 570 {last}"])


def _swedish(rng, _):
    return rng.choice(
        [f"08-465 004 {digits(rng, 2)}", f"+46 8 465 004 {digits(rng, 2)}", f"070-174 06 {digits(rng, 2)}"]
    )


def _irish(rng, _):
    return rng.choice([f"020 91{digits(rng, 1)} {digits(rng, 4)}", f"+353 20 91{digits(rng, 1)} {digits(rng, 4)}"])


# The numbers that the networks give out for tests.
TEST_CARDS = [
    "4111111111111111", "4012888888881881", "4242424242424242", "4222222222222", "5555555555554444", "5105105105105100",
    "2223003122003222", "2223000048400011", "378282246310005", "371449635398431", "378734493671000", "6011111111111117",
    "6011000990139424", "30569309025904", "38520000023237", "36227206271667", "3530111333300000", "3566002020360505",
    "6200000000000005", "6759649826438453", "6304000000000000", "2200000000000004",
]  # fmt: skip
CARD_PREFIXES = {
    16: ["4", "51", "55", "2221", "2720", "6011", "65", "3528", "3589", "62", "2204"],
    15: ["34", "37", "1800", "2131"],
    14: ["300", "305", "36", "38"],
    19: ["4", "62"],
}


def luhn_digit(number):
    """The digit to append: walks from the right, doubles every other digit, casts out nines."""
    total, double = 0, True
    for char in reversed(number):
        digit = int(char) * 2 if double else int(char)
        total += digit - 9 if digit > 9 else digit
        double = not double
    return str(-total % 10)


def card_number(rng):
    length = rng.choices([16, 15, 14, 19], weights=[16, 2, 1, 1])[0]
    prefix = rng.choice(CARD_PREFIXES[length])
    number = prefix + digits(rng, length - len(prefix) - 1)
    return number + luhn_digit(number)


def grouped(number, mark):
    sizes = {14: (4, 6, 4), 15: (4, 6, 5), 16: (4, 4, 4, 4), 19: (4, 4, 4, 4, 3)}[len(number)]
    parts, at = [], 0
    for size in sizes:
        parts.append(number[at : at + size])
        at += size
    return mark.join(parts)


def card(rng):
    number = card_number(rng)
    return rng.choice([number, number, grouped(number, " "), grouped(number, "-")])


# Length of the national part by ISO 13616 registry, and how it is made up: d digit, L letter, x either.
IBAN_PLANS = {
    "AT": "d" * 16, "BE": "d" * 12, "BR": "d" * 23 + "Lx", "CH": "d" * 5 + "d" * 12, "CZ": "d" * 20, "DE": "d" * 18,
    "DK": "d" * 14, "ES": "d" * 20, "FI": "d" * 14, "FR": "d" * 10 + "x" * 2 + "d" * 11, "GB": "LLLL" + "d" * 14,
    "GR": "d" * 7 + "d" * 16, "HU": "d" * 24, "IE": "LLLL" + "d" * 14, "IT": "L" + "d" * 10 + "d" * 12,
    "LC": "LLLL" + "d" * 24, "LU": "d" * 3 + "d" * 13, "MT": "LLLL" + "d" * 5 + "d" * 15 + "LLL",
    "MU": "LLLL" + "d" * 19 + "LLL", "NL": "LLLL" + "d" * 10, "NO": "d" * 11, "PL": "d" * 24, "PT": "d" * 21,
    "SE": "d" * 20, "TR": "d" * 6 + "d" * 16, "UA": "d" * 6 + "d" * 19, "VG": "LLLL" + "d" * 16,
}  # fmt: skip


def iban_number(rng):
    country = rng.choice(list(IBAN_PLANS))
    national = "".join(
        rng.choice({"d": "0123456789", "L": "ABCDEFGHKLMNPRSTUVXZ", "x": "0123456789ABCDEF"}[kind])
        for kind in IBAN_PLANS[country]
    )
    return country + check_digits(country, national) + national


def check_digits(country, national):
    """98 less the remainder by 97, taken digit by digit; A is 10 and Z is 35."""
    remainder = 0
    for char in national + country + "00":
        for digit in char if char.isdigit() else str(ord(char) - 55):
            remainder = (remainder * 10 + int(digit)) % 97
    return f"{98 - remainder:02d}"


def iban(rng):
    number = iban_number(rng)
    spaced = " ".join(number[at : at + 4] for at in range(0, len(number), 4))
    return rng.choice([number, spaced, number.lower(), spaced.lower(), spaced.replace(" ", "-"), f"IBAN {spaced}"])


def ipv4(rng):
    octets = [rng.randrange(1, 224), rng.randrange(256), rng.randrange(256), rng.randrange(256)]
    octets = rng.choice([octets, [203, 0, 113, octets[3]], [10, *octets[1:]], [192, 168, *octets[2:]]])
    address = ".".join(map(str, octets))
    return rng.choice(
        [
            address,
            address,
            f"{address}:{rng.randrange(1024, 65536)}",
            f"http://{address}/index.html",
            f"{address}/32",
            f"ip:{address}",
        ]
    )


def ipv6(rng):
    value = rng.getrandbits(128)
    global_unicast = ipaddress.IPv6Address((0b001 << 125) | (value >> 3))
    sparse = ipaddress.IPv6Address((0x20010DB8 << 96) | rng.getrandbits(16) << 64 | rng.getrandbits(20))
    link_local = ipaddress.IPv6Address((0xFE80 << 112) | rng.getrandbits(64))
    address = rng.choice([global_unicast, sparse, link_local, ipaddress.IPv6Address(value)])
    text = str(address)
    return rng.choice(
        [
            text,
            text.upper(),
            address.exploded,
            f"[{text}]:{rng.randrange(1024, 65536)}",
            f"{text}%eth0" if address.is_link_local else text,
            f"{text}/64",
            f"::ffff:{rng.randrange(1, 224)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}",
        ]
    )


MAKERS = {"e-mail": email, "phone": phone, "card": card, "IBAN": iban, "IPv4": ipv4, "IPv6": ipv6}


def planted(rng, kind, count, frames):
    """``count`` distinct values, each with one identifier of ``kind`` in one of the ``frames``."""
    values = {}
    while len(values) < count:
        values[rng.choice(frames).format(MAKERS[kind](rng))] = None
    return list(values)


# What is nobody's: by name of a make, a function of a seeded generator and a running number.
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
WORDS = [
    "red", "blue", "shoe", "coat", "lamp", "for", "in", "at", "be", "is", "no", "2024", "55", "inch",
    "led", "4k", "size", "42", "usb-c", "3.5mm", "no.", "7", "at", "50", "%",
]  # fmt: skip


def _hash(name):
    return lambda rng, n: hashlib.new(name, b"%d" % (n + rng.getrandbits(64)), usedforsecurity=False)


HASHES = {
    "md5": lambda rng, n: _hash("md5")(rng, n).hexdigest(),
    "md5 upper": lambda rng, n: _hash("md5")(rng, n).hexdigest().upper(),
    "sha1": lambda rng, n: _hash("sha1")(rng, n).hexdigest(),
    "sha256": lambda rng, n: _hash("sha256")(rng, n).hexdigest(),
    "sha256 upper": lambda rng, n: _hash("sha256")(rng, n).hexdigest().upper(),
    "sha512": lambda rng, n: _hash("sha512")(rng, n).hexdigest(),
    "md5 base64": lambda rng, n: base64.b64encode(_hash("md5")(rng, n).digest()).decode(),
    "sha1 base64": lambda rng, n: base64.b64encode(_hash("sha1")(rng, n).digest()).decode(),
    "sha256 base64": lambda rng, n: base64.b64encode(_hash("sha256")(rng, n).digest()).decode(),
    "sha256 base64url": lambda rng, n: base64.urlsafe_b64encode(_hash("sha256")(rng, n).digest()).decode().rstrip("="),
    "object id": lambda rng, n: f"{rng.getrandbits(96):024x}",
    "hashed, with a prefix": lambda rng, n: f"user_{rng.getrandbits(128):032x}",
}
IDS_OF_NOBODY = {
    "uuid4": lambda rng, n: str(uuid.UUID(int=rng.getrandbits(128), version=4)),
    "uuid upper": lambda rng, n: str(uuid.UUID(int=rng.getrandbits(128), version=4)).upper(),
    "uuid urn": lambda rng, n: uuid.UUID(int=rng.getrandbits(128), version=4).urn,
    "uuid braces": lambda rng, n: f"{{{uuid.UUID(int=rng.getrandbits(128), version=4)}}}",
    "uuid hex": lambda rng, n: uuid.UUID(int=rng.getrandbits(128), version=4).hex,
    "ulid": lambda rng, n: "01" + "".join(rng.choices(CROCKFORD, k=24)),
    "ulid lower": lambda rng, n: "01" + "".join(rng.choices(CROCKFORD, k=24)).lower(),
    "base62 of 22": lambda rng, n: "".join(rng.choices(BASE62, k=22)),
    "base36 of 28": lambda rng, n: "".join(rng.choices(BASE62[:36], k=28)),
    "numbers up to 12 digits": lambda rng, n: str(rng.randrange(10 ** rng.randint(1, 12))),
    "12 digits": lambda rng, n: digits(rng, 12),
    "prefixed numbers": lambda rng, n: f"{rng.choice(['user-', 'u_', 'item:', 'acct/'])}{rng.randrange(10**12)}",
    "google analytics": lambda rng, n: f"GA1.2.{rng.randrange(10**9, 2**31)}.{1_700_000_000 + n}",
    "namespaced": lambda rng, n: f"{rng.choice(['demo', 'a', 'fade', 'ad', '2024'])}::{rng.randrange(10**5)}",
    "mac": lambda rng, n: ":".join(f"{rng.getrandbits(8):02x}" for _ in range(6)),
    "eui-64": lambda rng, n: ":".join(f"{rng.getrandbits(8):02x}" for _ in range(8)),
}
LONG_NUMBERS = {
    "random, 16 digits": lambda rng, n: digits(rng, 16),
    "sequence, 16 digits": lambda rng, n: str(4_111_111_000_000_000 + n),
    "visa-like, 16 digits": lambda rng, n: "4" + digits(rng, 15),
    "random, 13 digits": lambda rng, n: digits(rng, 13),
    "random, 15 digits": lambda rng, n: digits(rng, 15),
    "snowflake": lambda rng, n: str(((1_288_834_974_657 + n * 977) << 22) | rng.getrandbits(22))[:19],
    "random, 18 or 19 digits": lambda rng, n: str(rng.randrange(10**17, 10**19)),
    "ean-13": lambda rng, n: ean(digits(rng, 12)),
    "german ean-13": lambda rng, n: ean("4" + digits(rng, 11)),
    "gtin-14": lambda rng, n: ean("3" + digits(rng, 12)),
    "sscc-18": lambda rng, n: ean("62" + digits(rng, 15)),
    "isbn-13": lambda rng, n: ean("978" + digits(rng, 9)),
    "imei": lambda rng, n: _with_luhn("35" + digits(rng, 12)),
    "iccid": lambda rng, n: _with_luhn("8949" + digits(rng, 14)),
    "16 digits in fours": lambda rng, n: grouped(digits(rng, 16), "-"),
    "epoch ms": lambda rng, n: str(1_700_000_000_000 + rng.randrange(10**11)),
    "epoch µs": lambda rng, n: str(1_700_000_000_000_000 + rng.randrange(10**14)),
    "epoch ns": lambda rng, n: str(1_700_000_000_000_000_000 + rng.randrange(10**17)),
    "fractions": lambda rng, n: repr(rng.random()),
}
SKUS = {
    "AB-1234-5678": lambda rng, n: f"{rng.choice('ABCDE')}{rng.choice('XYZ')}-{digits(rng, 4)}-{digits(rng, 4)}",
    "123-4567-89": lambda rng, n: f"{digits(rng, 3)}-{digits(rng, 4)}-{digits(rng, 2)}",
    "123-456-7890": lambda rng, n: f"{digits(rng, 3)}-{digits(rng, 3)}-{digits(rng, 4)}",
    "123.456.7890": lambda rng, n: f"{digits(rng, 3)}.{digits(rng, 3)}.{digits(rng, 4)}",
    "1234-5678": lambda rng, n: f"{digits(rng, 4)}-{digits(rng, 4)}",
    "1234-5678-9012": lambda rng, n: grouped(digits(rng, 16), "-")[:14],
    "123-4567-8901": lambda rng, n: f"{digits(rng, 3)}-{digits(rng, 4)}-{digits(rng, 4)}",
    "12345-67890": lambda rng, n: f"{digits(rng, 5)}-{digits(rng, 5)}",
    "123 456 789": lambda rng, n: f"{digits(rng, 3)} {digits(rng, 3)} {digits(rng, 3)}",
    "1234-567890": lambda rng, n: f"{digits(rng, 4)}-{digits(rng, 6)}",
    "12.34.56.78": lambda rng, n: f"{digits(rng, 2)}.{digits(rng, 2)}.{digits(rng, 2)}.{digits(rng, 2)}",
    "123.456.78": lambda rng, n: f"{digits(rng, 3)}.{digits(rng, 3)}.{digits(rng, 2)}",
    "100.200.300.400": lambda rng, n: ".".join(digits(rng, 3) for _ in range(4)),
    "DE12345678901234567890": lambda rng, n: rng.choice(["DE", "GB", "FR"]) + digits(rng, 20),
    "SKU.123/45-XL": lambda rng, n: f"SKU.{digits(rng, 3)}/{digits(rng, 2)}-{rng.choice(['S', 'M', 'XL'])}{n}",
    "978-3-16-148410-0": lambda rng, n: _hyphened(ean("978" + digits(rng, 9))),
    "0777-3105-02": lambda rng, n: f"0{digits(rng, 3)}-{digits(rng, 4)}-{digits(rng, 2)}",
    "0123-45": lambda rng, n: f"0{digits(rng, 3)}-{digits(rng, 2)}-{n}",
}
CONTEXTS = {
    "app_version": lambda rng, n: f"{rng.randrange(30)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}",
    "app_build": lambda rng, n: f"{rng.randrange(300)}.{rng.randrange(300)}.{rng.randrange(300)}.{rng.randrange(300)}",
    "client": lambda rng, n: f"{rng.randrange(20)}.{rng.randrange(30)}.{rng.randrange(50)}.{rng.randrange(400)}",
    "user_agent": lambda rng, n: f"Mozilla/5.0 (X11; Linux) Chrome/{rng.randrange(60, 200)}.0.{n}.{rng.randrange(250)}",
    "agent_of_app": lambda rng, n: f"shop-app/{rng.randrange(200)}.1.2.{rng.randrange(250)} (build {n})",
    "shown_at": lambda rng, n: (
        f"2026-02-{n % 28 + 1:02d}T{rng.randrange(24):02d}:00:{n % 60:02d}.{digits(rng, 6)}+05:30"
    ),
    "seen": lambda rng, n: f"2026-02-05 10:{n % 60:02d}:{rng.randrange(60):02d}.{digits(rng, 6)} +0000",
    "locale": lambda rng, n: f"{rng.choice(['en-US', 'de-DE', 'pt-BR', 'zh-Hant-TW'])}-x-{n}",
    "device": lambda rng, n: f"{rng.choice(['iPhone15,3', 'SM-G991B', 'Pixel 8 Pro'])} {n}",
    "query": lambda rng, n: " ".join(rng.choices(WORDS, k=5)) + f" {rng.randrange(1000)}",
    "coordinates": lambda rng, n: f"{rng.uniform(-90, 90):+.6f}{rng.uniform(-180, 180):+.6f}/",
    "latitude": lambda rng, n: f"{rng.uniform(-90, 90):+.6f}",
    "image": lambda rng, n: f"logo-{n}@2x.png",
    "package": lambda rng, n: f"@scope/lib@{rng.randrange(20)}.{rng.randrange(200)}.{n}-beta.rc",
}


def ean(number):
    """The number with the check digit of GS1: from the right, digits count three times and once in turn."""
    total = sum(int(char) * (3 if at % 2 == 0 else 1) for at, char in enumerate(reversed(number)))
    return number + str(-total % 10)


def _with_luhn(number):
    return number + luhn_digit(number)


def _hyphened(isbn):
    return f"{isbn[:3]}-{isbn[3]}-{isbn[4:6]}-{isbn[6:12]}-{isbn[12]}"


def distinct(rng, make, count):
    """``count`` distinct values of a make."""
    values, number = {}, 0
    while len(values) < count:
        values[make(rng, number)] = None
        number += 1
    return list(values)

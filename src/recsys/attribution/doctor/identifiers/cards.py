"""Numbers of payment cards (ISO/IEC 7812-1): 13 to 19 digits, plain or in the groups that are embossed.

The last digit is a check digit (Luhn's, annex B), which one in ten random numbers has right. So cards are told by the
column, and by *class*: the issuer, as the first digits and the length tell, and the form in which the number stands
(plain, grouped, or amid a sentence).

- Chance makes one in ten right. A column holds cards where its right ones, of all classes together or of one, are
  beyond chance with p ≤ 10⁻⁶ (Chernoff's bound): six right ones and no wrong one just reach it. A column of random
  ids so errs with a probability of up to 10⁻⁶ for each class that it has, and once more for all: under 10⁻⁴.
- Few grouped numbers, few amid sentences, and few in a column named after cards are enough where hardly one is wrong.
  One lone random number errs here once in ten times, two once in a hundred; but four groups of four digits that begin
  like a card, or such a number in a sentence, mostly are one. In columns of items this does not hold.
- In a column that holds cards the rows are the right ones of those classes that are mostly right, or beyond chance
  themselves with p ≤ 10⁻³. How many of them are expected to be right by chance follows from the number of wrong ones:
  few where ids seldom begin like that issuer's cards, up to all but the excess where they do.

Numbers of 16 digits of no known issuer make a class as well, for issuers come and go, but it has to be both beyond
chance and mostly right. Numbers of 13, 14 and 18 digits whose other check digit is right (GTIN-13, GTIN-14, SSCC-18
of GS1; so every EAN, and every ISBN of 13 digits) prove nothing; they are cards where other numbers prove that the
column holds cards, and they are mostly right themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from recsys.attribution.doctor.identifiers.chance import Share
from recsys.attribution.doctor.identifiers.column import Column
from recsys.attribution.doctor.identifiers.sighting import NOTHING, Kind, Page, Sighting

_ISSUERS = {  # first digits, as the networks publish them, and lengths
    "Visa": ("4", (13, 16, 19)),
    "Mastercard": ("5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720", (16,)),
    "American Express": ("3[47]", (15,)),
    "Discover": ("6011|64[4-9]|65", (16, 19)),
    "Diners Club": ("30[0-59]|36|38|39", (14, 16, 19)),
    "JCB": ("352[89]|35[3-8]", (16, 19)),
    "JCB, older": ("2131|1800", (15,)),
    "UnionPay": ("62|81", (16, 17, 18, 19)),
    "Mir": ("220[0-4]", (16, 17, 18, 19)),
    "RuPay": ("60|82|508", (16,)),
    "Maestro": ("5018|5020|5038|56|58|6304|6390|67", (13, 14, 15, 16, 17, 18, 19)),
    "Verve": ("506[01]|507[89]", (16, 18, 19)),
    "Troy": ("9792", (16,)),
}
_BY_GROUP = (("", ()), *((issuer, lengths) for issuer, (_, lengths) in _ISSUERS.items()))
_LUHN_CHANCE = 0.1
_GS1_LENGTHS = (13, 14, 18)
_HARDLY_ONE_WRONG = 0.9
_MOSTLY_RIGHT = 0.5
_ERROR_OF_CLASS = 1e-3  # in a column that holds cards
_ENOUGH = 20_000  # of no known issuer: after so many, of which few are right, no more are looked at

# Each expression begins with a character that is rare, which makes it fast.
_BEFORE = r"[^0-9A-Za-z+](?<![0-9]\.)"
_AFTER = r"(?![0-9A-Za-z])(?!\.[0-9])"
_FIRST = "|".join(first for first, _ in _ISSUERS.values())
_ISSUER = re.compile("|".join(f"({first})" for first, _ in _ISSUERS.values()))
_PLAIN = re.compile(rf"{_BEFORE}(?=[0-9]{{13,19}}{_AFTER})(?={_FIRST})([0-9]+)")
_PREFIXED = re.compile(rf"\n[A-Za-z]{{1,10}}(?=[0-9]{{13,19}}\n)(?={_FIRST})([0-9]+)")
_SIXTEEN = re.compile(rf"{_BEFORE}(?=[0-9]{{16}}{_AFTER})(?!{_FIRST})([0-9]+)")
_GROUPED = re.compile(
    rf"{_BEFORE}(?<![0-9A-Za-z][.-])(?<![0-9] )(?={_FIRST})([0-9]{{4}}(?P<mark>[ .-])"
    r"(?:[0-9]{4}(?P=mark)[0-9]{4}(?P=mark)[0-9]{4}(?:(?P=mark)[0-9]{3})?|[0-9]{6}(?P=mark)[0-9]{4,5}))"
    r"(?![0-9A-Za-z]|[.-][0-9A-Za-z]| [0-9])"
)
_THIRTEEN = b"0" * 13
_GROUPS = tuple(m.join((b"0000", middle)) + m for m in (b" ", b".", b"-") for middle in (b"0000", b"000000"))
_NEAR = 80  # characters on either side that make a sentence
_LETTER = re.compile("[A-Za-z]")
_MARKS = str.maketrans("", "", " .-")
_DOUBLED = bytes(48 + sum(divmod(2 * (code - 48), 10)) if 48 <= code < 58 else code for code in range(256))


class Class(NamedTuple):
    """Numbers that are judged together. ``issuer`` is empty where unknown; ``gs1``: another check digit is right."""

    form: str
    issuer: str
    gs1: bool


_OTHERS = Class("plain", "", False)


class Cards:
    """Finds numbers with a right check digit; which are cards is told at the end."""

    kind = Kind.CARD

    def __init__(self, column: Column) -> None:
        self._column = column
        self._shares: dict[Class, Share] = {}
        self._met: set[str] = set()  # numbers with something beside them: each counts once, whatever texts hold it

    def pick(self, page: Page) -> Page:
        """The page, if 13 digits follow each other, or three groups of them."""
        return page if any(outline in page.outline for outline in (_THIRTEEN, *_GROUPS)) else NOTHING

    def look(self, page: Page) -> Iterator[Sighting]:
        """Numbers with a right check digit, by class."""
        found: list[Sighting] = []
        if any(outline in page.outline for outline in _GROUPS):
            found += self._right(page.text, _GROUPED.finditer(page.text))
        if _THIRTEEN in page.outline:
            for pattern in (_PLAIN, _PREFIXED):
                found += self._right(page.text, pattern.finditer(page.text))
            others = self._shares.get(_OTHERS, Share(_LUHN_CHANCE))
            if others.seen < _ENOUGH or others.mostly(_MOSTLY_RIGHT):
                most = None if others.seen >= _ENOUGH else _ENOUGH
                found += self._right(page.text, islice(_SIXTEEN.finditer(page.text), most))
        return iter(sorted(found))

    def _right(self, text: str, matches: Iterable[re.Match[str]]) -> Iterator[Sighting]:
        for match in matches:
            start, end = match.span(1)
            number, form, alone = match[1], "plain", text[start - 1] == text[end] == "\n"
            if match.re is _GROUPED:
                number, form, alone = number.translate(_MARKS), "grouped", False
            elif not alone and _in_sentence(text, start, end):
                form = "sentence"
            cls = _class(form, number)
            if cls is not None:
                valid = luhn(number)
                if alone or number not in self._met:
                    self._count(cls, valid)
                if not alone:
                    self._met.add(number)
                if valid:
                    yield start, end, cls

    def _count(self, cls: Class, valid: bool) -> None:
        share = self._shares.get(cls)
        if share is None:
            share = self._shares[cls] = Share(_LUHN_CHANCE)
        share.add(valid)

    def accepted(self) -> dict[Class, float]:
        """The classes whose right numbers are cards, where the column holds any."""
        known = {cls: share for cls, share in self._shares.items() if cls.issuer}
        accepted = {}
        if self._holds_cards({cls: share for cls, share in known.items() if not cls.gs1}):
            for cls, share in known.items():
                if share.mostly(_MOSTLY_RIGHT) or (share.is_beyond_chance(_ERROR_OF_CLASS) and not cls.gs1):
                    accepted[cls] = share.by_chance
        others = self._shares.get(_OTHERS)
        if others and others.is_beyond_chance() and others.mostly(_MOSTLY_RIGHT):
            accepted[_OTHERS] = others.by_chance
        return accepted

    def _holds_cards(self, shares: dict[Class, Share]) -> bool:
        if _sum(shares.values()).is_beyond_chance() or any(share.is_beyond_chance() for share in shares.values()):
            return True
        if self._column.of_items:
            return False
        forms = ("grouped", "sentence", "plain") if self._column.of_cards else ("grouped", "sentence")
        of_forms = (_sum(share for cls, share in shares.items() if cls.form == form) for form in forms)
        return any(share.mostly(_HARDLY_ONE_WRONG) for share in of_forms)


def _sum(shares: Iterable[Share]) -> Share:
    return sum(shares, Share(_LUHN_CHANCE))


def _class(form: str, number: str) -> Class | None:
    match = _ISSUER.match(number)
    issuer, lengths = _BY_GROUP[match.lastindex or 0] if match else _BY_GROUP[0]
    if len(number) in lengths:
        return Class(form, issuer, len(number) in _GS1_LENGTHS and gs1(number))
    return _OTHERS if form == "plain" and len(number) == 16 else None


def _in_sentence(text: str, start: int, end: int) -> bool:
    before, after = text[max(0, start - _NEAR) : start], text[end : end + _NEAR]
    line = before.rpartition("\n")[2] + after.partition("\n")[0]
    return " " in line and _LETTER.search(line) is not None


def luhn(number: str) -> bool:
    """Whether the last digit is Luhn's: every second one from the right counts as the sum of its double's digits."""
    codes = number.encode()[::-1]
    return (sum(codes[::2]) + sum(codes[1::2].translate(_DOUBLED)) - 48 * len(codes)) % 10 == 0


def gs1(number: str) -> bool:
    """Whether the last digit is that of the GS1 General Specifications: every second one counts three times."""
    digits = [int(digit) for digit in reversed(number)]
    return (sum(digits[::2]) + 3 * sum(digits[1::2])) % 10 == 0

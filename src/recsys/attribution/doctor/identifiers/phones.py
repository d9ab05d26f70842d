"""Phone numbers: international (ITU-T E.164 and E.123, RFC 3966), with brackets, and national ones in groups.

Digits alone are never called a phone number, for ids look like that.

- ``+``, an assigned country code and 8 to 15 digits in all make a phone number, unless it is a decimal
  (``+51.507351``).
- Anything else could be an article number. So in columns of items it is none, and elsewhere the column tells. Numbers
  with brackets (``(212) 555-0123``), with an international prefix (``0049-30-…``, ``011-44-…``), or in the national
  groups of ``_SHAPES`` are counted by their *form*, the groups and the marks between, whatever their digits. Those
  that begin as a number of that form may are phone numbers, where at most a quarter of the form's numbers are random
  ones as far as the number of wrong ones tells.
- Forms that many other things have (``_COMMON``: nine digits in threes, twice five digits) have to be beyond chance
  as well, with p ≤ 10⁻⁶.

A lone number of such groups, in an id or a text, is thus called a phone number where some country's plan allows it.
Of random numbers in groups of 3-3-4 the share 0.73 passes (any area and exchange from 200 of the North American plan,
or a leading zero): a column of ten of them errs once in 20 times, of 50 once in 5,000. Other forms need a leading
zero or the like, which one in ten has. Numbers without their area (555-0123, 12 34 56 78) are not looked for.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator
from typing import NamedTuple

from recsys.attribution.doctor.identifiers.chance import Share
from recsys.attribution.doctor.identifiers.column import Column
from recsys.attribution.doctor.identifiers.sighting import NOTHING, Kind, Page, Sighting, masked

_COUNTRY = (  # assigned country codes, list of ITU-T E.164
    "(?:1|7|2(?:[07]|[1-6][0-9]|9[01789])|3(?:[0-469]|[578][0-9])|4(?:[013-9]|2[013])|5(?:[1-8]|[09][0-9])"
    "|6(?:[0-6]|[789][0-9])|8(?:[1246]|[05789][0-9])|9(?:[0-58]|[679][0-9]))"
)
_ZERO = ("0[1-9]", 0.09)
_ZERO_SHAPES = (
    "2-4-4", "2-3-4", "4-4-4", "4-3-4", "4-2-2-2", "4-3-2-2", "5-3-3", "5-6", "4-6", "4-7", "4-8", "3-6",
    "3-7", "3-8", "2-8", "2-9", "5-7", "6-5", "3-5-3", "4-4-3", "2-2-2-2-2", "3-2-2-2-2", "2-3-3-2", "2-2-3-4",
)  # fmt: skip
_SHAPES = dict.fromkeys(
    _ZERO_SHAPES, _ZERO
) | {  # digits of the groups: how a number may begin, and which share of random ones does
    "3-3-4": ("[2-9]..[2-9]|0[1-9]", 0.73),
    "1-3-3-4": ("1[2-9]..[2-9]|8[3489]|0[1-9]", 0.65),
    "3-4-4": ("0[1-9]|1[3-9]", 0.16),
    "2-5-4": ("[1-9][1-9]9", 0.081),
    "3-3-2-2": ("0[1-9]|9", 0.19),
    "1-3-3-2-2": ("8[3489]|0[1-9]", 0.43),
    "4-3-3": ("0[1-9]|1[38]00", 0.09),
}
_COMMON = {"3-3-3": ("[5-9]", 0.5), "5-5": ("[6-9]|0[1-9]", 0.49), "3-2-2-2": ("[67]", 0.2), "2-3-2-2": ("[89]", 0.2)}
_ZERO_BRACKETS = ((area, rest) for area in (2, 3, 4, 5) for rest in (5, 6, 7, 8) if 9 <= area + rest <= 11)
_BRACKETS = dict.fromkeys(_ZERO_BRACKETS, _ZERO) | {  # digits in brackets, digits behind them
    (3, 7): ("[2-9]..[2-9]|0[1-9]", 0.73),
    (2, 8): ("[1-9][1-9][2-5]|0[1-9]", 0.4),
    (2, 9): ("[1-9][1-9]9|0[1-9]", 0.17),
}
_INTERNATIONAL_CHANCE = 0.1  # of those that begin with a zero
_AT_MOST_RANDOM = 0.25
_MIN_DIGITS, _MAX_DIGITS = 8, 15

# Each expression begins with a character that is rare, which makes it fast.
_BEFORE = r"[^0-9A-Za-z+](?:(?<![0-9A-Za-z][.-])(?<![0-9]/)|(?<=\nu-)|(?<=user-)|(?<=customer-)|(?<=phone-)|(?<=tel-))"
_AFTER = r"(?:(?![0-9A-Za-z])(?![./-][0-9A-Za-z])|(?=x[0-9]))"
_NUMBER = rf"(?P<country>{_COUNTRY})\)?(?:[ ./-]?\(0\))?(?:[ ./()-]{{0,2}}[0-9]){{5,14}}"
_PLUS = re.compile(rf"\+(?<![0-9A-Za-z+]\+)(?P<number> ?\(?{_NUMBER}){_AFTER}")
_MARK_BEHIND_COUNTRY = rf"(?={_COUNTRY}[ ./(-])"
_INTERNATIONAL = re.compile(rf"{_BEFORE}(?P<number>(?:00|011)[ ./-]?{_MARK_BEHIND_COUNTRY}{_NUMBER}){_AFTER}")
_ZERO_LED = re.compile(rf"{_BEFORE}(0[0-9]{{1,4}}(?:[ ./-][0-9]{{1,8}}){{1,6}}){_AFTER}")
_BRACKETED = re.compile(
    rf"\((?P<area>[0-9]{{2,5}})\)(?P<rest>[ ./-]?[0-9]{{2,9}}(?:[ ./-][0-9]{{2,5}}){{0,3}}){_AFTER}"
)


def _tree(shapes: Iterable[tuple[str, ...]]) -> str:
    """An expression for any of the shapes, in which those that begin alike share their beginning."""
    branches: dict[str, list[tuple[str, ...]]] = {}
    for size, *rest in shapes:
        branches.setdefault(size, []).append(tuple(rest))
    parts = []
    for size, rests in branches.items():
        longer = [rest for rest in rests if rest]
        behind = f"[ ./-]{_tree(longer)}" if longer else ""
        parts.append(f"[0-9]{{{size}}}" + (f"(?:{behind})?" if behind and len(longer) < len(rests) else behind))
    return f"(?:{'|'.join(parts)})"


def _national() -> re.Pattern[str]:
    shapes = [tuple(shape.split("-")) for shape in _SHAPES | _COMMON]
    longer = _tree(shape for shape in shapes if shape[0] != "1")
    behind_one = _tree(shape[1:] for shape in shapes if shape[0] == "1")
    return re.compile(rf"{_BEFORE}(?=[0-9]{{1,6}}[ ./-][0-9]{{2}})({longer}|[018][ ./-]{behind_one}){_AFTER}")


_NATIONAL = _national()
_RULES = {shape: (re.compile(begin), chance) for shape, (begin, chance) in (_SHAPES | _COMMON).items()}
_BRACKET_RULES = {sizes: (re.compile(begin), chance) for sizes, (begin, chance) in _BRACKETS.items()}
_MARKS = str.maketrans("", "", " ./-")
_OUTLINE = str.maketrans("0123456789", "0000000000")
_MARK = re.compile("[ ./-]")
_DIGITS = re.compile("[0-9]+")
_OUTLINES = (b"0 00", b"0-00", b"0.00", b"000/00000")
_PLUS_FORM = "+"


class _Rule(NamedTuple):
    form: Hashable
    begin: re.Pattern[str]
    share: Share


class Phones:
    """Finds phone numbers; those without ``+`` are judged by form at the end."""

    kind = Kind.PHONE

    def __init__(self, column: Column) -> None:
        self._column = column
        self._shares: dict[Hashable, Share] = {}
        self._rules: dict[str, _Rule | None] = {}  # by the outline of a number

    def pick(self, page: Page) -> Page:
        """The page, if it has a plus, a bracket, or digits on both sides of a mark."""
        return page if "+" in page.text or "(" in page.text or _has_groups(page) else NOTHING

    def look(self, page: Page) -> Iterator[Sighting]:
        """Numbers that begin as they should, by form."""
        text = page.text
        found: list[Sighting] = [
            (match.start(), match.end(), _PLUS_FORM) for match in _PLUS.finditer(text) if _is_e164(match)
        ]
        if not self._column.of_items:
            searches = [self._bracketed] if "(" in text else []
            for search in [self._international, *searches, self._national] if _has_groups(page) else searches:
                rest = masked(text, sorted(found)) if found else text
                found += search(rest)
        return iter(sorted(found))

    def accepted(self) -> dict[Hashable, float]:
        """The forms that are those of phone numbers in this column."""
        accepted: dict[Hashable, float] = {_PLUS_FORM: 0.0}
        for form, share in self._shares.items():
            common = isinstance(form, tuple) and form[0] in _COMMON
            if share.mostly(1 - _AT_MOST_RANDOM) and (share.is_beyond_chance() or not common):
                accepted[form] = share.by_chance
        return accepted

    def _international(self, text: str) -> Iterator[Sighting]:
        for match in _ZERO_LED.finditer(text):
            self._share(match[1].translate(_OUTLINE), _INTERNATIONAL_CHANCE).seen += 1
        for match in _INTERNATIONAL.finditer(text):
            if _is_e164(match) and not _has_neighbour(text, match.start("number"), match.end()):
                outline = match["number"].translate(_OUTLINE)
                share = self._share(outline, _INTERNATIONAL_CHANCE)
                share.valid += 1
                share.seen = max(share.seen, share.valid)  # those with brackets are in no other group
                yield match.start("number"), match.end(), outline

    def _bracketed(self, text: str) -> Iterator[Sighting]:
        for match in _BRACKETED.finditer(text):
            digits = "".join(_DIGITS.findall(match[0]))
            sizes = (len(match["area"]), len(digits) - len(match["area"]))
            if sizes in _BRACKET_RULES:
                begin, chance = _BRACKET_RULES[sizes]
                valid = begin.match(digits) is not None
                self._share(sizes, chance).add(valid)
                if valid:
                    yield match.start(), match.end(), sizes

    def _national(self, text: str) -> Iterator[Sighting]:
        for match in _NATIONAL.finditer(text):
            number = match[1]
            outline = number.translate(_OUTLINE)
            if outline not in self._rules:
                self._rules[outline] = self._rule(outline)
            rule = self._rules[outline]
            if rule is None or (" " in outline and _has_neighbour(text, match.start(1), match.end())):
                continue
            valid = rule.begin.match(number.translate(_MARKS)) is not None
            rule.share.add(valid)
            if valid:
                yield match.start(1), match.end(), rule.form

    def _rule(self, outline: str) -> _Rule | None:
        marks = "".join(_MARK.findall(outline))
        if not _are_marks(marks):
            return None
        shape = "-".join(str(len(group)) for group in _MARK.split(outline))
        begin, chance = _RULES[shape]
        return _Rule((shape, marks), begin, self._share((shape, marks), chance))

    def _share(self, form: Hashable, chance: float) -> Share:
        return self._shares.setdefault(form, Share(chance))


def _has_groups(page: Page) -> bool:
    return any(outline in page.outline for outline in _OUTLINES)


def _is_e164(match: re.Match[str]) -> bool:
    number = match.string[match.start("country") : match.end()].replace("(0)", "")
    digits, points = sum(map(str.isdigit, number)), number.count(".")
    decimal = points == 1 and not set(number) & set(" -/()")
    coordinates = points > 0 and "-" in number  # ISO 6709: +40.6894-074.0447
    enough = digits == 11 if match["country"] in {"1", "7"} else _MIN_DIGITS <= digits <= _MAX_DIGITS
    return enough and not decimal and not coordinates


def _are_marks(marks: str) -> bool:
    """Points alone, and at least two of them, or it is a decimal; other marks in any mixture, a stroke only first."""
    if "." in marks:
        return set(marks) == {"."} and len(marks) > 1
    return "/" not in marks[1:]


def _has_neighbour(text: str, start: int, end: int) -> bool:
    """Whether more digits stand one space off, so that the groups may be those of something longer."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    return (before[-1:] == " " and before[:1].isdigit()) or (after[:1] == " " and after[1:].isdigit())

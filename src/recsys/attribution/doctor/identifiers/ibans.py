"""International bank account numbers: ISO 13616, structures of SWIFT's IBAN registry, check digits of ISO 7064.

A country, two check digits, and a national part of fixed length and structure: ``n`` digits, ``a`` letters, ``c``
either. Plain, or in groups with single spaces or hyphens, in upper or in lower case. Where random ids have the
structure, one in 97 has right check digits by chance: they are called IBANs where at least a quarter of those of a
column that have the structure and few letters are right. A column of random ids in which just one has a structure
errs once in 97 times; that takes ids of 15 to 33 letters and digits that begin like ``GT12`` and go on as that
country's numbers do, as of random ones one in 10⁵ or fewer do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from recsys.attribution.doctor.identifiers.chance import Share
from recsys.attribution.doctor.identifiers.sighting import NOTHING, Kind, Page, Sighting

_STRUCTURES = """
AD 8n12c    AE 19n      AL 8n16c    AT 16n      AZ 4a20c    BA 16n      BE 12n      BG 4a6n8c   BH 4a14c    BI 23n
BR 23n1a1c  BY 4c4n16c  CH 5n12c    CR 18n      CY 8n16c    CZ 20n      DE 18n      DJ 23n      DK 14n      DO 4c20n
EE 16n      EG 25n      ES 20n      FI 14n      FK 2a12n    FO 14n      FR 10n11c2n GB 4a14n    GE 2a16n    GI 4a15c
GL 14n      GR 7n16c    GT 24c      HN 4a20n    HR 17n      HU 24n      IE 4a14n    IL 19n      IQ 4a15n    IS 22n
IT 1a10n12c JO 4a4n18c  KW 4a22c    KZ 3n13c    LB 4n20c    LC 4a24c    LI 5n12c    LT 16n      LU 3n13c    LV 4a13c
LY 21n      MC 10n11c2n MD 20c      ME 18n      MK 3n10c2n  MN 16n      MR 23n      MT 4a5n18c  MU 4a19n3a  NI 4a20n
NL 4a10n    NO 11n      OM 3n16c    PK 4a16c    PL 24n      PS 4a21c    PT 21n      QA 4a21c    RO 4a16c    RS 18n
RU 14n15c   SA 2n18c    SC 4a20n3a  SD 14n      SE 20n      SI 15n      SK 20n      SM 1a10n12c SO 19n      ST 21n
SV 4a20n    TL 19n      TN 20n      TR 6n16c    UA 6n19c    VA 18n      VG 4a16n    XK 16n      YE 4a4n18c
"""
_CLASSES = {"n": "[0-9]", "a": "[A-Za-z]", "c": "[0-9A-Za-z]"}
_END = r"(?![0-9A-Za-z])"
_MIN_SHARE = 0.25


def _pattern(country: str, structure: str) -> re.Pattern[str]:
    parts = re.findall(r"([0-9]+)([nac])", structure)
    national = "".join(f"(?:[ -]?{_CLASSES[kind]}){{{length}}}" for length, kind in parts)
    return re.compile(f"(?i:{country}) ?[0-9]{{2}}{national}{_END}")


_PATTERNS = {
    country: _pattern(country, structure)
    for country, structure in zip(_STRUCTURES.split()[::2], _STRUCTURES.split()[1::2], strict=True)
}
_HEAD = re.compile(r"[^0-9A-Za-z]([A-Za-z]{2}) ?[0-9]{2}(?=(?:[ -]?[0-9A-Za-z]){11})")
_OUTLINES = (b"aa00", b"aa 00")


class Ibans:
    """Finds IBANs whose check digits are right; all of a column stand or fall together."""

    kind = Kind.IBAN

    def __init__(self) -> None:
        self._share = Share(chance=1 / 97)

    def pick(self, page: Page) -> Page:
        """The page, if anything begins like an IBAN."""
        return page if any(outline in page.outline for outline in _OUTLINES) else NOTHING

    def look(self, page: Page) -> Iterator[Sighting]:
        """Those of right structure and check digits."""
        end = 0
        for head in _HEAD.finditer(page.text):
            pattern = _PATTERNS.get(head[1].upper())
            match = pattern.match(page.text, head.start(1)) if pattern and head.start(1) >= end else None
            if match is None:
                continue
            number = match[0].replace(" ", "").replace("-", "")
            if (number.isupper() or number.islower()) and _mostly_digits(number):
                valid = is_valid(number)
                self._share.add(valid)
                if valid:
                    end = match.end()
                    yield match.start(), match.end(), None

    def accepted(self) -> dict[None, float]:
        """The one group, where right check digits are not rare."""
        return {None: self._share.by_chance} if self._share.rate >= _MIN_SHARE else {}


def is_valid(number: str) -> bool:
    """Whether the check digits of an IBAN without spaces are right: ISO 7064, mod 97-10."""
    moved = number[4:] + number[:4]
    return int("".join(str(int(char, 36)) for char in moved)) % 97 == 1


def _mostly_digits(number: str) -> bool:
    """Real account numbers hold few letters beside the name of the bank; random ids hold 26 in 36."""
    return sum(map(str.isdigit, number)) * 2 >= len(number)

"""Field types shared by the contracts.

A type carries the part of its rule that msgspec checks in C. The rest (no control characters, not blank, the exact
form and years of a timestamp) stands in ``extra_json_schema``, so that the generated schema holds in full, and is
checked by ``eventlog.validation``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

MAX_ID_LENGTH = 512
MAX_LINE_BYTES = 16 * 1024 * 1024
MAX_RANK = 2**31 - 1
FIRST_YEAR, LAST_YEAR = 1970, 2200

# ``[^…]`` classes are spelt out, and no look-ahead is used: Python, ECMAScript and Rust read them alike.
CONTROL_CHARACTERS = r"\u0000-\u001f\u007f-\u009f"
BLANKS = r"\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # Unicode White_Space, controls apart
ID_PATTERN = f"^[^{CONTROL_CHARACTERS}]*[^{CONTROL_CHARACTERS}{BLANKS}][^{CONTROL_CHARACTERS}]*$"
LEAP_YEARS = "(19(7[26]|8[048]|9[26])|20([02468][048]|[13579][26])|21(0[48]|[2468][048]|[13579][26]))"  # of 1970–2200
DATE_PATTERN = (
    "((19[7-9][0-9]|2[01][0-9][0-9]|2200)"
    "-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
    f"|{LEAP_YEARS}-02-29)"
)
TIMESTAMP_PATTERN = (
    f"^{DATE_PATTERN}"
    r"[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
MAX_DOUBLE = 1.7976931348623157e308

Id = Annotated[
    str,
    Meta(min_length=1, max_length=MAX_ID_LENGTH, extra_json_schema={"pattern": ID_PATTERN}),
]
"""An identifier: 1–512 characters, not blank, no control characters."""

Timestamp = Annotated[
    datetime,
    Meta(tz=True, extra_json_schema={"pattern": TIMESTAMP_PATTERN}),
]
"""An instant: RFC 3339 with an offset, years 1970–2200, at most 6 fractional digits."""

Rank = Annotated[int, Meta(ge=1, le=MAX_RANK)]
"""A 1-based position in a list."""

Probability = Annotated[float, Meta(ge=0, le=1)]
"""A number in [0, 1]."""

Number = Annotated[float, Meta(extra_json_schema={"minimum": -MAX_DOUBLE, "maximum": MAX_DOUBLE})]
"""A finite number that fits a double."""

NonNegative = Annotated[float, Meta(ge=0, extra_json_schema={"maximum": MAX_DOUBLE})]
"""A finite number, 0 or more."""

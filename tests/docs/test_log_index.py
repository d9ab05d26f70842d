"""The page of the index format names what an index holds."""

import re
from typing import get_args

import pytest
from msgspec.structs import fields

from docs_blocks import ROOT
from recsys.eventlog.writing import index

PAGE = (ROOT / "docs" / "reference" / "data-contracts" / "log-index.md").read_text(encoding="utf-8")
ROWS = {
    row[1]: set(re.findall(r"`(\w+)`", row[2]))
    for row in re.finditer(r"^\| `([\w.]+)` \| ([^|]*) \|", PAGE, re.MULTILINE)
}


@pytest.mark.parametrize("kind", get_args(index.Record), ids=lambda kind: kind.__struct_config__.tag)
def test_every_record_is_listed_with_its_fields(kind):
    """The table has a row of each record, with the fields that it has and no others."""
    assert ROWS[kind.__struct_config__.tag] == {field.encode_name for field in fields(kind)}


def test_the_length_of_the_first_line_is_told():
    """The page gives the bytes of the header."""
    assert f"{index.HEADER_BYTES:,} bytes" in PAGE
    assert f"at most {index.LINES_A_RECORD:,}" in PAGE

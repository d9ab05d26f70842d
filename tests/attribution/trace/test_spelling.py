"""Lines that hold an id are found however JSON spells it, and lines without it are mostly passed over."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.attribution.trace.spelling import MANY, lines_with, needles
from strategies import ids


def escapes(char: str) -> list[str]:
    """All spellings of a character in a JSON string."""
    units = char.encode("utf-16-be").hex()
    hexed = "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))
    spellings = [hexed, hexed.upper().replace("\\U", "\\u")]
    if char in '"\\/':
        spellings.append(f"\\{char}")
    return spellings if char in '"\\' else [char, *spellings]


@st.composite
def spelt(draw, text) -> bytes:
    """A JSON string that means ``text``."""
    return '"{}"'.format("".join(draw(st.sampled_from(escapes(char))) for char in text)).encode()


@given(st.data(), ids, st.lists(ids, max_size=3))
def test_every_spelling_is_found(data, text, others):
    """The line is among those that may hold the id, alone and among others, whichever characters are escaped."""
    string = data.draw(spelt(text))
    assert json.loads(string) == text
    lines = [b'{"a": "b"}', b'{"request_id": ' + string + b"}", b"", b'{"c": "\\u0064\\/"}']
    block = b"\n".join(lines)
    at = len(lines[0]) + 1
    found = list(lines_with(block, needles([text, *others])))
    assert (at, at + len(lines[1])) in found
    assert found == sorted(found)


@pytest.mark.parametrize("text", ["r", "é", "/", '"', "\\", "😀", "A"])
def test_each_spelling_of_a_character_is_found(text):
    """As it is, as hex in either case, and with a backslash before it where there is such a form."""
    for spelling in escapes(text):
        line = f'{{"request_id":"{spelling}"}}'.encode()
        assert list(lines_with(line, needles([text]))) == [(0, len(line))], spelling


def test_other_lines_are_passed_over():
    """A longer id, a part of it, and escapes of other characters do not make a line worth decoding."""
    lines = [b'{"a":"req-10"}', b'{"a":"xreq-1"}', b'{"a":"b\\u0062\\n"}', b'{"a":"req-1"}']
    start = sum(len(line) + 1 for line in lines[:3])
    assert list(lines_with(b"\n".join(lines), needles(["req-1"]))) == [(start, start + len(lines[3]))]


def test_with_many_ids_every_line_is_looked_at():
    """It is cheaper than to search for each of them."""
    sought = needles([f"r{number}" for number in range(MANY + 1)])
    assert list(lines_with(b"a\n\nb", sought)) == [(0, 1), (2, 2), (3, 4)]
    assert list(lines_with(b"a\nb\n", sought)) == [(0, 1), (2, 3)]


def test_a_number_in_place_of_the_id_is_found():
    """It is not valid, and yet clear which request was meant."""
    for line in (b'{"request_id":17,', b'{"request_id": 17}'):
        assert list(lines_with(line, needles(["17"]))) == [(0, len(line))]

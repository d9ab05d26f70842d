"""Each line of a file is in one block of one range, wherever ranges and blocks end, and has its number."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.attribution.trace import line_numbers, scan
from recsys.attribution.trace.rows import Ask
from recsys.contracts.types import MAX_LINE_BYTES

contents = st.lists(st.binary(max_size=6).map(lambda line: line.replace(b"\n", b"x")), max_size=12).map(b"\n".join)


def lines_of(content: bytes) -> list[tuple[int, bytes]]:
    """(offset, line) of each line; what stands behind the last newline is one where there is anything."""
    found, at = [], 0
    for line in content.split(b"\n"):
        found.append((at, line))
        at += len(line) + 1
    return found if found[-1][1] else found[:-1]


@given(contents, st.integers(1, 9), st.integers(1, 12), st.binary(max_size=5))
def test_ranges_cut_a_file_into_its_lines(content, block, piece, grown):
    """Every line once, with its offset; what the file has grown by does not count."""
    file = io.BytesIO(content + grown)
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "BLOCK_BYTES", block)
        for start in range(0, len(content), piece):
            for offset, lines in scan.blocks(start, min(start + piece, len(content)), len(content), file):
                found += [(offset + at, line) for at, line in lines_of(lines)]
    assert found == lines_of(content)


@given(contents, st.integers(1, 9), st.integers(1, 12), st.data())
def test_lines_have_their_numbers(tmp_path_factory, content, block, piece, data):
    """Of any of the offsets at which lines begin, counted in pieces of any size."""
    path = tmp_path_factory.mktemp("lines") / "file"
    path.write_bytes(content)
    offsets = [offset for offset, _ in lines_of(content)]
    asked = data.draw(st.lists(st.sampled_from(offsets), unique=True)) if offsets else []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_numbers, "RANGE_BYTES", piece)
        patch.setattr(line_numbers, "BLOCK_BYTES", block)
        found = line_numbers.of_offsets(path, asked)
    assert found == {offset: offsets.index(offset) + 1 for offset in asked}


def test_a_line_that_is_too_long_is_told_and_the_next_one_found(tmp_path):
    """Its beginning is looked at; it is not valid, and hides nothing behind it."""
    good = b'{"request_id":"r1","user_id":"u","ts":"2026-02-05T10:00:00Z","items":[]}'
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"request_id":"r1",' + b" " * (MAX_LINE_BYTES + scan.BLOCK_BYTES * 2) + b"\n" + good + b"\n")
    size = path.stat().st_size
    [hits] = scan.search([(Path(path), size)], "exposures", Ask(requests=frozenset({"r1"}), refused=True))
    assert [hit.line for hit in hits.valid] == [good]
    assert [hit.offset for hit in hits.refused] == [0]
    assert line_numbers.of_offsets(path, [hits.valid[0].offset]) == {size - len(good) - 1: 2}

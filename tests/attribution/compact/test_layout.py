"""Names of folders and parts: safe for any text, and another one for each."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.attribution.compact.layout import MAX_NAME, UNKNOWN, day_of, escaped, is_part, part_path

SAFE = re.compile(r"[A-Za-z0-9_.%~-]*")
texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
    st.text("%2F~_.é", max_size=120),
    st.sampled_from(["", " ", ".", "..", "/", "a/b", "=", "__unknown__", "__", "%2F", "\x00", "x" * 512, "x" * 511]),
)


@given(texts, texts)
def test_any_text_makes_a_safe_name_of_its_own(one, other):
    """Letters, digits and a few signs, short enough for any file system; two texts have one name only if they are one;
    and a short one can be read off its name."""
    name = escaped(one)
    assert SAFE.fullmatch(name)
    assert len(name) <= MAX_NAME
    assert name != UNKNOWN
    assert (escaped(one) == escaped(other)) == (one == other)
    if "~" not in name:
        assert unquote(name) == one


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("demo", "demo"), ("a/b", "a%2Fb"), ("..", ".."), ("k=v", "k%3Dv"), (" ", "%20"), ("", ""), ("é", "%C3%A9"),
        ("__unknown__", "%5F_unknown__"), (None, "__unknown__"), ("100%", "100%25"),
    ],
)  # fmt: skip
def test_names_that_others_rely_on(value, name):
    """The names stay what they are: parts of later runs go beside those of earlier ones."""
    assert escaped(value) == name


def test_a_long_text_keeps_its_beginning():
    """Of a long name the beginning can be read, no escape is cut in two, and its end stands for the whole."""
    name = escaped("tenant-" + "é" * 300)
    assert name.startswith("tenant-%C3%A9%C3%A9")
    assert unquote(name.partition("~")[0]).strip("é") == "tenant-"


def test_the_path_of_a_part():
    """Keys are folders; the part is told from a file of somebody else by its name, and tells its day."""
    path = part_path("exposures", ("demo", None), "2026-02-05", "0123456789abcdef")
    folder = "exposures/tenant_id=demo/surface=__unknown__/day=2026-02-05/"
    assert re.fullmatch(re.escape(folder) + r"part-0123456789abcdef-[0-9a-f]{16}\.parquet", path)
    assert is_part(Path(path))
    assert not is_part(Path(folder) / "mine.parquet")
    assert (day_of(path), day_of("elsewhere.parquet")) == ("2026-02-05", "")
    other_case = part_path("exposures", ("Demo", None), "2026-02-05", "0123456789abcdef")
    assert Path(path).name != Path(other_case).name  # both fit into a folder that knows no case

"""YAML that people write: what is read, and the words in which the rest is refused."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from recsys.attribution import documents
from recsys.errors import ConfigError, InputError


def read(folder, text: str | bytes):
    path = folder / "document.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return documents.read(str(path))


keys = st.text("abc_ é'\":#-", min_size=1, max_size=6)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text("ab:é\n'\"", max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(keys, values, max_size=4))
def test_a_document_is_read_as_it_was_meant(tmp_path_factory, document):
    """What a YAML writer makes of a mapping is read back the same."""
    assert read(tmp_path_factory.getbasetemp(), yaml.safe_dump(document, allow_unicode=True)) == document


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n...\n", "null", "\ufeff"])
def test_an_empty_document_is_an_empty_mapping(tmp_path, text):
    """A file without content is a configuration in which every key has its default."""
    assert read(tmp_path, text) == {}


@pytest.mark.parametrize(
    ("text", "place", "found"),
    [
        ("mode: a\nmode: b\n", ":2:1", "the key 'mode' is given twice"),
        ("a:\n  b: 1\n  c: 2\n  b: 3\n", ":4:3", "the key 'b' is given twice"),
        ("a: [{x: 1, x: 1}]", ":1:12", "the key 'x' is given twice"),
        ("1: a\n1.0: b\n", ":2:1", "the key 1.0 is given twice"),
        ("a: [1, 2\nb: 3\n", ":2:2", ""),
        ("a: 1\n  b: 2\n", ":2:4", "mapping values are not allowed here"),
        ("\tmode: a", ":1:1", ""),
        ("? [1]\n: 2\n", ":1:3", "a key must be a plain word"),
        ("~: 2\n", ":1:1", "a key must be a plain word"),
        ("a: *b", ":1:4", "undefined alias"),
        ("a: &x [*x]", ":1:4", "recursive"),
        ("!!python/object/apply:os.system [x]", ":1:1", "could not determine a constructor"),
        ("a: !secret x", ":1:4", "could not determine a constructor"),
        ("a: 1\n---\nb: 2\n", ":2:1", ""),
        ("a: \x00", "", "special characters are not allowed"),
        (b"a: \xff\xfe", "", ""),
        ("a: 2026-02-31", "", "day"),
        ("[" * 9_999, "", ""),
        ("a: " + "9" * 5_000, "", ""),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(tmp_path, text, place, found):
    """Broken YAML, a key given twice, tags and endless references are one ConfigError, with its line if known."""
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, text)
    assert refused.value.problem == "not valid YAML"
    assert refused.value.where == f"{tmp_path / 'document.yaml'}{place}"
    assert found in refused.value.found
    assert "\n" not in str(refused.value)


def test_merged_keys_may_be_replaced(tmp_path):
    """What `<<` merges in may be given anew, which is not the same key twice; the mapping's own value stands."""
    text = "a: &a {type: jsonl, path: x}\nb: {<<: *a, path: y}\nc: {path: z, <<: [*a]}\n"
    document = read(tmp_path, text)
    assert document["b"] == {"type": "jsonl", "path": "y"}
    assert document["c"] == {"type": "jsonl", "path": "z"}
    with pytest.raises(ConfigError, match="the key 'path' is given twice"):
        read(tmp_path, "a: &a {path: x}\nb: {path: y, <<: *a, path: z}\n")


@pytest.mark.parametrize(
    ("text", "found"), [("- a", "a list"), ("word", "text"), ("5", "a number"), ("yes", "true or")]
)
def test_a_document_is_a_mapping(tmp_path, text, found):
    """A list, a word or a number is no configuration, and the message says what it is."""
    with pytest.raises(ConfigError, match="not a configuration") as refused:
        read(tmp_path, text)
    assert refused.value.found.startswith(found)
    assert refused.value.expected == "a mapping"


def test_what_is_no_file_or_too_large_is_refused(tmp_path):
    """A missing file and a folder are input errors; a file over 1 MiB is no configuration and is not parsed."""
    for path in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(InputError, match="cannot be read") as refused:
            documents.read(str(path))
        assert refused.value.where == str(path)
    with pytest.raises(ConfigError, match="too large"):
        read(tmp_path, "#" * (documents.MAX_BYTES + 1))
    assert read(tmp_path, "#" * documents.MAX_BYTES) == {}


def test_unknown_keys_are_told_from_later_ones():
    """A misspelt key names the nearest known one, a strange one lists all, and one that comes later says so."""
    known = ["tolerance", "windows"]
    documents.check_keys(["windows"], known, "here")
    for key, message in (
        ("tolerence", "here: unknown key (found 'tolerence'). Did you mean 'tolerance'?"),
        ("xyz", "here: unknown key (found 'xyz'). Known: tolerance, windows."),
        (5, "here: unknown key (found 5). Known: tolerance, windows."),
        ("touch", "here: not available in this version (found 'touch'). Remove it, or use a version that has it."),
    ):
        with pytest.raises(ConfigError) as refused:
            documents.check_keys([key], known, "here", later=["touch"])  # type: ignore[list-item]
        assert str(refused.value) == message


@pytest.mark.parametrize("value", [None, True, "0.5", [], -0.1, 1.1, float("nan"), 10**400])
def test_a_number_lies_within_its_bounds(value):
    """Anything but a number from low to high is refused, and the message gives both."""
    assert documents.number(1, "here", low=0, high=1) == 1.0
    with pytest.raises(ConfigError, match="a number 0 to 1"):
        documents.number(value, "here", low=0, high=1)


def test_words_are_texts():
    """One text stands for a list of one; empty texts and other types are refused, at any length, in few words."""
    assert documents.words("a", "here") == ["a"]
    assert documents.words(["a", "b c"], "here") == ["a", "b c"]
    for value in (None, "", [""], ["a", 5], {"a": 1}, 5, ["a", ["b"]], [5] * 9_999):
        with pytest.raises(ConfigError, match="here: not a list of words") as refused:
            documents.words(value, "here")
        assert len(str(refused.value)) < 200


def test_a_section_is_a_mapping():
    """A section may be absent or empty; anything else than a mapping is refused by name."""
    assert documents.section({}, "windows", "here") == documents.section({"windows": None}, "windows", "here") == {}
    assert documents.section({"windows": {"click": 1}}, "windows", "here") == {"click": 1}
    for value, found in (([], "a list"), ("1h", "text"), (0, "a number"), (False, "true or false")):
        with pytest.raises(ConfigError, match="here: windows: not a section") as refused:
            documents.section({"windows": value}, "windows", "here")
        assert refused.value.found == found

"""Faults in words: each names its place, says what to do, and never shows a person's identifier."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import strategies
from recsys.eventlog.faults import Fault, findings, json_path

EXPOSURE = {
    "request_id": "r",
    "user_id": "u",
    "ts": "2026-02-05T10:00:00Z",
    "items": [{"item_id": "a", "rank": 1}],
}
SECRET = "alice.liddell@example.com"
NUMBER = 4915112345678


def exposure(**changes) -> bytes:
    return json.dumps({key: value for key, value in {**EXPOSURE, **changes}.items() if value is not ...}).encode()


@pytest.mark.parametrize(
    ("line", "path", "rule", "found", "hint"),
    [
        (b"", "$", "blank", "a blank line", ""),
        (b"\r", "$", "blank", "a blank line", ""),
        (b'{"a":1', "$", "json", "Expecting ',' delimiter at character 7", "The line is cut off."),
        (b'{"request_id":"r","us', "$", "json", "Unterminated string starting at character 19", "The line is cut off."),
        (b"{} {}", "$", "json", "Extra data at character 4", ""),
        (b"\0\0\0\0", "$", "json", "Expecting value at character 1", "The line holds NUL bytes"),
        (b"\xef\xbb\xbf{}", "$", "json", "a byte-order mark", "Save the file as UTF-8 without"),
        (b"[" * 20_000, "$", "json", "nested too deeply", ""),
        (b'{"user_id":"\xff"}', "$", "encoding", "byte 0xff at byte 13 of the line", "Write the log as UTF-8."),
        (exposure(latency_ms=float("nan")), "$", "json", "NaN is not JSON", ""),
        (exposure(latency_ms="12"), "$.latency_ms", "type", "a string of 2 characters", ""),
        (exposure(latency_ms=-1), "$.latency_ms", "minimum", "the number -1", ""),
        (exposure(user_id=...), "$.user_id", "required", "nothing", ""),
        (exposure(user_id=" "), "$.user_id", "identifier", "a string of 1 characters", ""),
        (exposure(user_id=None), "$.user_id", "type", "null", ""),
        (exposure(ts="2026-02-05T10:00:00"), "$.ts", "timestamp", "'2026-02-05T10:00:00'", "no offset: add Z"),
        (exposure(ts="2026-02-05 10:00:00Z"), "$.ts", "timestamp", "'2026-02-05 10:00:00Z'", ""),
        (exposure(itmes=[]), "$.itmes", "unknown-field", "the field 'itmes'", "The contract is closed"),
        (exposure(latency=1), "$.latency", "unknown-field", "the field 'latency'", "Did you mean 'latency_ms'?"),
        (
            exposure(items=[{"item_id": "a", "rank": 1}, {"item_id": "b", "rank": 0}]),
            "$.items[1].rank", "minimum", "the number 0", "",
        ),
        (
            exposure(items=[{"item_id": "a", "rank": 1, "score": 1}]),
            "$.items[0].score", "unknown-field", "the field 'score'", "",
        ),
        (exposure(context={"surface": 1}), "$.context.surface", "type", "a number", ""),
        (exposure(context={"a.b": 1}), "$.context['a.b']", "type", "a number", ""),
    ],
)  # fmt: skip
def test_a_fault_says_what_and_where(line, path, rule, found, hint):
    """Path, rule, found and hint of each kind of fault."""
    first = findings(line, "exposure.v1")[0]
    assert (first.path, first.rule, first.found) == (path, rule, found)
    assert hint in first.hint
    assert bool(hint) == bool(first.hint) or rule == "unknown-field"


def test_all_faults_of_a_line_are_told():
    """A line with several faults is one visit, not several."""
    line = exposure(user_id=7, ts="yesterday", items=[{"item_id": "", "rank": 1.5}], extra=1)
    assert {(finding.path, finding.rule) for finding in findings(line, "exposure.v1")} == {
        ("$.user_id", "type"),
        ("$.ts", "timestamp"),
        ("$.items[0].item_id", "identifier"),
        ("$.items[0].item_id", "minLength"),
        ("$.items[0].rank", "type"),
        ("$.extra", "unknown-field"),
    }


def test_a_line_of_thousands_of_faults_is_told_in_part():
    """One hopeless line does not fill the screen."""
    line = exposure(items=[{"item_id": "", "rank": 0}] * 2000)
    assert len(findings(line, "exposure.v1")) == 50


def test_an_enumeration_shows_a_word_and_its_options():
    """A misspelt event type is shown beside the known ones."""
    line = b'{"request_id":"r","user_id":"u","item_id":"a","event_type":"Click","ts":"2026-02-05T10:00:00Z"}'
    [only] = findings(line, "outcome.v1")
    assert (only.found, only.expected) == ("'Click'", "click, conversion")


def test_a_fault_is_one_line():
    """Its text names file, line and path, in that order, and has no newline in it."""
    [only] = findings(exposure(**{"bad\nkey\x1b[31m": 1}), "exposure.v1")
    fault = Fault(
        file="log.jsonl", line=7, byte_offset=9, path=only.path, rule=only.rule,
        found=only.found, expected=only.expected, hint=only.hint,
    )  # fmt: skip
    assert str(fault).startswith("log.jsonl:7: $[(12 characters)]: unknown-field: found the field (12 characters), ")
    assert str(fault).isprintable()


@pytest.mark.parametrize("value", [SECRET, NUMBER, float(NUMBER), [SECRET], {"id": SECRET}, SECRET * 30, SECRET + "\0"])
@pytest.mark.parametrize("schema", strategies.SCHEMAS)
def test_no_identifier_in_a_fault(schema, value):
    """A raw user id never appears, in whatever field it is wrong."""
    keys = ["request_id", "user_id", "item_id", "ts", "timestamp", "event_type", "context", "experiment_id", "subject"]
    line = json.dumps(dict.fromkeys(keys, value) | {"x": {SECRET: 1}, SECRET: 1}).encode()
    doubled = line.replace(b"{", b'{"user_id":' + json.dumps(value).encode() + b",", 1)
    told = [finding for bad in (line, doubled, line[:-1], line + b"x") for finding in findings(bad, schema)]
    assert len(told) > 8
    for finding in told:
        text = f"{finding.path} {finding.found} {finding.expected} {finding.hint}"
        assert "alice" not in text
        assert str(NUMBER) not in text


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_long_digits_or_texts_are_told(data):
    """Under mutation, too, a fault stays short, printable and on one line."""
    schema = data.draw(st.sampled_from(strategies.SCHEMAS))
    for finding in findings(data.draw(strategies.mutated_lines(schema)), schema):
        for text in (finding.path, finding.found, finding.expected, finding.hint):
            assert text.isprintable()
            assert len(text) < 400


def test_json_paths():
    """Steps become a JSON path."""
    assert json_path([]) == "$"
    assert json_path(["items", 0, "rank"]) == "$.items[0].rank"
    assert json_path(["context", "a.b"]) == "$.context['a.b']"

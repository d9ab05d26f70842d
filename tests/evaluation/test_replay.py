"""``decide --replay``: a decision computed again from its own document, and what is said of one that was changed."""

import msgspec
import pytest
from msgspec.structs import replace

from decision_evidence import check, evidence, measured
from recsys import console
from recsys.errors import InputError
from recsys.evaluation import replay
from recsys.evaluation.cli import app
from recsys.evaluation.decision import decide


@pytest.fixture
def written(tmp_path):
    """Writes a document, and gives its path."""

    def write(document):
        path = tmp_path / "decision.json"
        path.write_bytes(document if isinstance(document, bytes) else msgspec.json.encode(document))
        return path

    return write


def run(path, *more):
    return console.run(app, "recsys-eval", ["decide", "--replay", str(path), *more])


@pytest.mark.parametrize(("change", "status"), [({}, 0), ({"may_ship": False}, 2)])
def test_it_exits_as_the_decision_says(written, capsys, change, status):
    """0 ship, 2 hold; the reasons are told, and with --format json the document."""
    found = decide(evidence(**change))
    assert run(written(found)) == status
    assert f"{found.decision}: B against A" in capsys.readouterr().out
    assert run(written(found), "--format", "json") == status
    assert msgspec.json.decode(capsys.readouterr().out)[0]["decision"] == found.decision


def test_a_changed_document_is_found(written, capsys):
    """The verdict or its evidence: exit 1, and what differs."""
    found = decide(evidence())
    assert run(written(replace(found, decision="hold"))) == 1
    assert "the evidence says ship, and the document hold" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"{}", "another document"), (b"nothing", "not a decision"),
     (b'{"schema_version": "decision.v1"}', "not a decision"),
     (b"[" * 200_000 + b"]" * 200_000, "not a decision|nested too deeply"), (b"\xff\xfe", "not a decision")],
)  # fmt: skip
def test_what_is_no_decision(written, content, words):
    """An error that says what was expected, never a traceback."""
    with pytest.raises(InputError, match=words):
        replay.read(written(content))


def test_names_cannot_write_to_the_terminal(written, capsys):
    """Control characters of an arm's name are spelt out."""
    found = decide(replace(evidence(), candidate="B\x1b[2J\nship: evil"))
    assert run(written(found)) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert out.count("\nship:") == 0


def test_where_no_decision_was_asked_for_it_exits_as_the_run_did(written, capsys):
    """0, with a word; but on hold where the logs cannot be believed."""
    found = decide(evidence(metrics=[measured(-0.03, -0.01)], decides=False))
    assert run(written(found)) == 0
    assert "no decision was asked for: B against A" in capsys.readouterr().out
    doubted = decide(evidence(integrity=[check(0.5)], decides=False))
    assert run(written(doubted)) == 2

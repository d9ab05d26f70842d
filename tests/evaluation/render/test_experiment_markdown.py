"""Experiments as Markdown: golden texts, and what hostile names make of it."""

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

import experiment_reports as reports
from recsys.evaluation import render

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
CODE = re.compile(r"(?<![\\`])(`+)(?!`).+?(?<![\\`])\1(?!`)")
"""Spans of code, in which nothing is markup."""
MADE = {
    "experiment-ship": reports.ship, "experiment-hold": reports.unbelievable, "experiment-rollback": reports.rollback,
    "aa-check": reports.aa_check,
}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_the_text_is_the_golden_one(name):
    """A change of the text is a change of the file in tests/golden that somebody reads."""
    assert render.text(MADE[name](), "markdown") == (GOLDEN / f"{name}.md").read_text()


@pytest.mark.parametrize("name", ["ship", "rollback", "unbelievable", "wanting", "empty", "silent"])
def test_it_fits_a_pull_request(name):
    """A usual experiment takes about 80 lines, with the verdict in the first five."""
    lines = render.text(reports.ALL[name](), "markdown").splitlines()
    assert len(lines) <= 90
    verdict = {"ship": "SHIP", "rollback": "ROLLBACK"}.get(name, "HOLD")
    assert any(line.startswith(f"**{verdict}**") for line in lines[:5])


@pytest.mark.parametrize("name", reports.ALL)
def test_every_table_is_one(name):
    """Rows have as many cells as their heading, whatever stands in the names."""
    tokens = MarkdownIt("commonmark").enable("table").parse(render.text(reports.ALL[name](), "markdown"))
    kinds = [token.type for token in tokens]
    wide = 0
    for row in "".join("h" if kind == "th_open" else "d" if kind == "td_open" else "|" if kind == "tr_close" else ""
                       for kind in kinds).split("|"):  # fmt: skip
        wide = len(row) if row.startswith("h") else wide
        assert len(row) in {0, wide}


def test_hostile_names_are_no_markup():
    """No tag, link, picture, address or mention comes of a name."""
    text = render.text(reports.hostile(), "markdown")
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    inside = [child for token in tokens for child in token.children or []]
    assert {"link_open", "image", "html_inline"} & {child.type for child in inside} == set()
    assert "html_block" not in {token.type for token in tokens}
    plain = "".join(child.content for child in inside if child.type == "text")
    source = CODE.sub("", text)
    assert "<script>alert(1)</script>" in plain
    assert "octocat" in source
    assert "://" not in source
    assert "@octocat" not in source
    assert not {"\x1b", "\u202e"} & set(text)


def test_an_empty_log_is_a_hold_with_its_reason():
    """Where there is no experiment, the report says why and shows no effect."""
    text = render.text(reports.empty(), "markdown")
    assert "**HOLD**" in text
    assert "there is no valid exposure: the log is empty" in text
    assert "## Primary metrics" not in text


def test_only_what_fails_is_listed_of_the_checks():
    """Checks that pass are counted, those that fail are shown with what was found and what it had to be."""
    text = render.text(reports.unbelievable(), "markdown")
    assert "3 of 4 checks fail:" in text
    assert "| match rate | FAIL |" in text
    assert "| valid rate |" not in text
    assert "All 3 checks pass." in render.text(reports.ship(), "markdown")

"""recsys-eval join --compare as a process: tables, a verdict, and an exit status that says whether there is one."""

import json

import msgspec
import pytest

from recsys.contracts.comparison import Comparison


@pytest.fixture
def repeated(exposure, outcome, write):
    """40 exposures to 7 users; of each second one the first item was clicked, four times over."""
    shown = write("shown.jsonl", *map(exposure, range(40)))
    done = [outcome(n, ts=f"2026-02-05T10:00:1{s}Z") for n in range(0, 40, 2) for s in range(4)]
    return ["--exposures", shown, "--outcomes", write("done.jsonl", *done)]


def test_policies_that_agree_exit_0(recsys_eval, logs, tmp_path):
    """Four policies by name, their figures, and the verdict: as text, as JSON, and as a file of either kind."""
    written = tmp_path / "comparison.md"
    done = recsys_eval("join", *logs, "--compare", "--output", written)
    assert (done.status, done.err) == (0, "")
    for name in ("standard", "windowed", "first_touch", "request_id_only"):
        assert done.out.count(f"  {name}  ") >= 6, name
    for figure in ("ctr", "conversion_rate", "revenue_per_exposure", "ndcg@10", "hitrate@10"):
        assert f"  {figure} " in done.out
    assert "All 4 policies lead to the same conclusion: they decide every outcome alike." in done.out
    text = written.read_text()
    assert "**All 4 policies lead to the same conclusion: they decide every outcome alike.**" in text
    assert "| ctr | standard | 0.2500 |" in text
    document = tmp_path / "comparison.json"
    done = recsys_eval("join", *logs, "--compare", "--format", "json", "--output", document)
    assert document.read_text() == done.out
    found = msgspec.json.decode(done.out, type=Comparison)
    assert (found.agree, found.status, len(found.policies)) == (True, "pass", 4)
    assert found.policies[1].policy["windows"] == {"click": "3600s", "conversion": "604800s"}


def test_policies_that_do_not_agree_exit_2(recsys_eval, repeated, tmp_path):
    """Where first touch counts a quarter of the clicks, status 2 and one line that names figure and policies."""
    done = recsys_eval("join", *repeated, "--compare", "--output", tmp_path / "c.md")
    assert done.status == 2
    [line] = done.err.splitlines()
    assert line.startswith("recsys-eval: depends on the policy: ctr is 2 (")
    assert "under standard, and 0.5 (" in line
    assert "under first_touch: further apart than chance" in line
    assert "The conclusion depends on the policy: on ctr." in done.out
    assert "**The conclusion depends on the policy: on ctr.**" in (tmp_path / "c.md").read_text()


def test_own_policies_and_a_fallback(recsys_eval, repeated, write, outcome):
    """--policies replaces the usual ones, options make the first; what a fallback infers is marked, and no fate."""
    gone = [outcome(n, request_id=f"gone{n}", item_id="b", ts="2026-02-05T10:05:00Z") for n in range(5)]
    lost = write("gone.jsonl", *gone)
    own = write("own.yaml", "policies: {week: {windows: {click: 7d}}, found: {fallback: user_item, credit: all}}")
    words = [
        "join",
        *repeated,
        "--outcomes",
        lost,
        "--compare",
        "--policies",
        own,
        "--touch",
        "first",
        "--format",
        "json",
    ]
    done = recsys_eval(*words, "--min-match-rate", "0.9")
    found = json.loads(done.out)
    assert [result["name"] for result in found["policies"]] == ["first_touch", "week", "found"]
    assert [result["inferred"] for result in found["policies"]] == [False, False, True]
    assert [result["inferred_outcomes"] for result in found["policies"]] == [0, 0, 5]
    assert {result["fates"]["orphan"] for result in found["policies"]} == {5}
    assert [result["figures"]["ctr"]["value"] * 40 for result in found["policies"]] == [20, 80, 85]
    assert [result["rates"]["match"]["numerator"] for result in found["policies"]] == [80] * 3
    assert done.status == 2
    text = recsys_eval("join", *repeated, "--outcomes", lost, "--compare", "--policies", own, "--min-match-rate", "0.9")
    assert "found (inferred): 5 of 5 orphans are credited to lists of the same user" in " ".join(text.out.split())


def test_a_hold_is_told_by_policy(recsys_eval, logs, write):
    """An empty log is on hold under every policy: status 2, and a line for each."""
    write("outcomes.jsonl")
    done = recsys_eval("join", *logs, "--compare")
    assert done.status == 2
    assert [line.split(": ")[2] for line in done.err.splitlines()] == [
        "standard", "windowed", "first_touch", "request_id_only",
    ]  # fmt: skip
    assert "The figures cannot be relied on under standard, windowed, first_touch and request_id_only." in " ".join(
        done.out.split()
    )


def test_what_cannot_be_compared_is_refused(in_turn, logs, write, tmp_path):
    """Options that say nothing of a comparison, and outputs that it is not: status 1, one line, no work done."""
    own = write("own.yaml", "policies: {a: {touch: one}}")
    cases = {
        ("--policies", own): "--policies goes with --compare",
        ("--compare", "--slice-key", "surface"): "--slice-key says nothing beside --compare",
        ("--compare", "--output", tmp_path / "c.parquet"): "a comparison is written as JSON or Markdown",
        ("--compare", "--policies", own): f"{own}: policies.a.touch: no such choice",
        ("--compare", "--output", tmp_path / "no" / "c.md"): "no such folder",
    }
    for done, told in zip(in_turn(*[["join", *logs, *words] for words in cases]), cases.values(), strict=True):
        assert (done.status, done.out) == (1, ""), told
        assert len(done.err.splitlines()) == 1
        assert told in done.err

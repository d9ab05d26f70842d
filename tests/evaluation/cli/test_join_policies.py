"""recsys-eval join under other policies: options and YAML say the same, and what is inferred is told apart."""

import json

import pyarrow.parquet
import pytest

from recsys.errors import ConfigError
from recsys.evaluation.cli import policy_options

FALLBACK = ["--fallback", "user_item", "--fallback-window", "1h"]


@pytest.fixture
def world(exposure, outcome, write):
    """30 exposures, one a minute, and a click on each; clicks off the list, of another user, repeated and early; two
    orphans of user 0, who was shown lists 0, 7, 14, 21 and 28."""
    exposures = [exposure(n, ts=f"2026-02-05T10:{n:02d}:00Z") for n in range(30)]
    done = [outcome(n, ts=f"2026-02-05T10:{n:02d}:10Z") for n in range(30)]
    done += [outcome(n, ts=f"2026-02-05T10:{n:02d}:20Z", item_id="z") for n in (1, 2)]
    done += [outcome(3, ts="2026-02-05T10:03:20Z", user_id="other", item_id="b")]
    done += [outcome(n, ts=f"2026-02-05T10:{n:02d}:30Z") for n in (4, 5, 6)]
    done += [outcome(9, ts="2026-02-05T10:00:00Z", item_id="c")]
    done += [outcome(0, request_id="gone", ts="2026-02-05T10:20:00Z", item_id=item) for item in ("b", "z")]
    paths = write("exposures.jsonl", *exposures), write("outcomes.jsonl", *done)
    return ["--exposures", paths[0], "--outcomes", paths[1], "--min-match-rate", "0"]


ATTRIBUTED = 30 + 1 + 3
"""Under the standard policy: the clicks, that of another user, and the repeated ones."""
SAID = {
    (): {"attributed": ATTRIBUTED, "not_in_list": 2, "before_exposure": 1, "orphan": 2},
    ("--user-mismatch", "refuse", "--touch", "first"): {
        "attributed": 30, "user_mismatch": 1, "later_touch": 3, "not_in_list": 2, "before_exposure": 1, "orphan": 2,
    },
    ("--not-in-list", "count", "--tolerance", "none"): {"attributed": ATTRIBUTED + 3, "orphan": 2},
    ("--policy", "request_id_only"): {"attributed": ATTRIBUTED + 3, "orphan": 2},
    ("--click-window", "15s"): {
        "attributed": 30, "after_window": 4, "not_in_list": 2, "before_exposure": 1, "orphan": 2,
    },
}  # fmt: skip


def test_every_option_does_what_it_says(in_turn, world):
    """Each choice moves the outcomes that it is about, and no other; all fates add up to the rows."""
    ran = in_turn(*[["join", *world, *words, "--format", "json"] for words in SAID])
    for done, (words, expected) in zip(ran, SAID.items(), strict=True):
        assert done.status == 0, done.err
        fates = json.loads(done.out)["fates"]
        assert {fate: n for fate, n in fates.items() if n and fate != "rows"} == expected, words
        assert fates["rows"] == sum(expected.values()) == 39


YAMLS = {
    "{not_in_list: count, user_mismatch: refuse}": {"attributed": 35, "user_mismatch": 1, "not_in_list": 0},
    "{policy: request_id_only}": {"attributed": ATTRIBUTED + 3, "not_in_list": 0, "before_exposure": 0},
    "{touch: every, windows: {click: 15s, conversion: 7d}}": {"attributed": 30, "after_window": 4, "later_touch": 0},
}


def test_a_yaml_says_the_same_and_options_replace_it(in_turn, world, write):
    """The keys of attribution are the options; an option stands for its key alone, a window for its event type."""
    paths = [write(f"{n}.yaml", f"attribution: {text}\nslice_keys: [country]") for n, text in enumerate(YAMLS)]
    mixed = ["--config", paths[-1], "--click-window", "none", "--touch", "first", "--slice-key", "surface"]
    runs = [["join", *world, *words, "--format", "json"] for words in (*(["--config", path] for path in paths), mixed)]
    *files, replaced = (json.loads(done.out) for done in in_turn(*runs))
    for found, expected in zip(files, YAMLS.values(), strict=True):
        assert {fate: found["fates"][fate] for fate in expected} == expected
        assert list(found["missing_keys"]) == ["country"]
    assert (replaced["fates"]["after_window"], replaced["fates"]["later_touch"]) == (0, 3)
    assert list(replaced["missing_keys"]) == ["surface"]


def test_what_is_inferred_is_told_apart(in_turn, world, tmp_path):
    """An orphan that a fallback credits stays an orphan in all rates; text, JSON and table say whom it was given."""
    table = tmp_path / "joined.parquet"
    text, document, plain = in_turn(
        ["join", *world, *FALLBACK, "--credit", "all", "--output", table],
        ["join", *world, *FALLBACK, "--credit", "all", "--format", "json"],
        ["join", *world, "--format", "json"],
    )
    assert "1 of 2 orphans are credited to a list of the same user that held the item" in " ".join(text.out.split())
    found = json.loads(document.out)
    assert found["inferred_outcomes"] == 1
    assert json.loads(plain.out) == {**found, "inferred_outcomes": 0}
    rows = pyarrow.parquet.read_table(table).to_pylist()
    inferred = [row for row in rows if row["inferred_request_id"] is not None]
    assert [
        (row["fate"], row["item_id"], row["inferred_request_id"], row["inferred_exposures"]) for row in inferred
    ] == [
        ("orphan", "b", "r14", 3)  # shown at 10:00, 10:07 and 10:14; the orphan is of 10:20
    ]


WRONG = [
    ({"touch": "frist"}, "--touch: no such choice (found 'frist'). Did you mean 'first'?"),
    ({"policy": "request_only"}, "--policy: no such choice (found 'request_only'). Did you mean 'request_id_only'?"),
    ({"credit": "last"}, "--credit: this says nothing without a fallback (found 'last'). Give the fallback user_item"),
    ({"fallback_window": "1d"}, "--fallback-window: this says nothing without a fallback"),
    ({"tolerance": "never"}, "--tolerance: not a duration"),
    ({"conversion_window": "7 days"}, "--conversion-window: not a duration"),
    ({"policy": "request_id_only", "touch": "first"}, "--touch: the policy request_id_only contradicts this"),
    ({"policy": "request_id_only", "click_window": "1h"}, "--click-window: the policy request_id_only contradicts"),
    ({"fallback": "user_item", "tolerance": "none"}, "--tolerance: a fallback needs a tolerance"),
]


@pytest.mark.parametrize(("given", "told"), WRONG)
def test_a_choice_that_is_none_is_refused(given, told):
    """A misspelt value, one without effect and one that contradicts the preset are errors that name the option."""
    with pytest.raises(ConfigError) as refused:
        policy_options.chosen(None, {**dict.fromkeys(policy_options.NAMES), **given})
    assert str(refused.value).startswith(told)


def test_no_fallback_takes_the_place_of_all_that_a_yaml_says_of_one(write):
    """What the YAML says of its fallback goes with it; what an option says of one is an error still."""
    path = write("f.yaml", "attribution: {fallback: user_item, credit: first, fallback_window: 2h, touch: first}")
    given = dict.fromkeys(policy_options.NAMES)
    assert policy_options.chosen(path, given)[0].fallback is not None
    policy, _ = policy_options.chosen(path, {**given, "fallback": "none"})
    assert (policy.fallback, policy.touch) == (None, "first")
    with pytest.raises(ConfigError, match="--credit: this says nothing without a fallback"):
        policy_options.chosen(path, {**given, "fallback": "none", "credit": "last"})


def test_options_that_contradict_a_yaml_exit_1(in_turn, world, write):
    """The error names the option where an option is wrong, and the place in the YAML where that is: one line."""
    plain, both = (
        write("p.yaml", "attribution: {policy: request_id_only}"),
        write("b.yaml", "attribution: {touch: one}"),
    )
    cases = {
        ("--config", plain, "--not-in-list", "refuse"): "--not-in-list: the policy request_id_only contradicts this",
        ("--config", both, "--not-in-list", "refuse"): f"{both}: attribution.touch: no such choice",
    }
    for done, told in zip(in_turn(*[["join", *world, *words] for words in cases]), cases.values(), strict=True):
        assert (done.status, done.out) == (1, ""), told
        assert len(done.err.splitlines()) == 1
        assert told in done.err

"""What a list was ranked by, out of a snapshot: the version that it names, its layers, and what changed since."""

from datetime import UTC, datetime

import pytest

from recsys.attribution.trace import applied
from recsys.contracts.config import TenantConfig, Weights, parse
from recsys.contracts.events import Exposure
from recsys.contracts.snapshot import ConfigVersion, RulesVersion, Snapshot

AT = datetime(2026, 2, 5, tzinfo=UTC)
OLD = parse(
    b'{"weights": {"pop": 0.7, "cooc": 0.3}, "surfaces": {"item": {"weights": {"cooc": 0.9}}},'
    b' "experiments": {"exp": {"variants": {"A": {}, "B": {"weights": {"pop": 0}}}}}}'
)
NEW = parse(
    b'{"weights": {"pop": 0.2, "cooc": 0.3}, "surfaces": {"item": {"weights": {"cooc": 0.9}}},'
    b' "experiments": {"exp": {"variants": {"B": {"weights": {"pop": 0}}, "A": {}}}}}'
)


def version(number, name, document, current=False):
    return ConfigVersion(version=number, name=name, created_at=AT, current=current, document=document)


SNAPSHOT = Snapshot(
    tenant_id="demo", exported_at=AT, service_version="1",
    config=[version(0, "c0-default", TenantConfig()), version(1, "c1-old", OLD), version(2, "c2-new", NEW, True)],
)  # fmt: skip


def told(snapshot=SNAPSHOT, **context):
    context = {"tenant_id": "demo", "surface": "item", "config_version": "c1-old", "rules_version": "none"} | context
    given = {key: value for key, value in context.items() if value is not None}
    return applied.told("s.json", snapshot, Exposure(request_id="r", user_id="u", ts=AT, items=[], context=given))


def test_the_version_in_full_and_its_diff():
    """The document as it was, and a unified diff to the current one that shows also the order of variants."""
    made = told()
    assert (made.config.name, made.config.current, made.config.created_at) == ("c1-old", "c2-new", AT)
    assert made.config.document is not None
    assert made.config.document["weights"] == {"pop": 0.7, "cooc": 0.3}
    assert made.config.note == "since then c2-new came"
    assert made.config.diff[:2] == ["--- c1-old", "+++ c2-new"]
    assert '-    "pop": 0.7,' in made.config.diff
    assert '+    "pop": 0.2,' in made.config.diff
    assert sum('"A": {' in line and line[0] in "+-" for line in made.config.diff) == 2
    now = told(config_version="c2-new").config
    assert (now.diff, now.note) == ([], "in force when the snapshot was exported")


@pytest.mark.parametrize(
    ("context", "names", "weights"),
    [
        ({}, ["defaults", "tenant", "surface item"], (0.7, 0.9, 0.0)),
        ({"surface": "home"}, ["defaults", "tenant"], (0.7, 0.3, 0.0)),
        (
            {"experiment_id": "exp", "experiment_variant": "B"},
            ["defaults", "tenant", "surface item", "variant B of exp"], (0.0, 0.9, 0.0),
        ),
        ({"config_version": "c0-default"}, ["defaults", "tenant"], (0.3, 0.7, 0.0)),
    ],
)  # fmt: skip
def test_layers_lie_over_each_other_as_in_the_service(context, names, weights):
    """Surface over tenant over defaults, the variant over all; what comes of it is the service's own rule."""
    made = told(**context)
    assert [layer.name for layer in made.layers] == names
    assert made.weights == Weights(pop=weights[0], cooc=weights[1], emb=weights[2])
    over = Weights()
    for layer in made.layers:
        over = layer.weights.over(over)
    assert over == made.weights
    assert "in no log" in made.notes[-1]


def test_what_would_apply_now():
    """The same surface and variant under the current version."""
    assert told().weights_now == Weights(pop=0.2, cooc=0.9, emb=0.0)
    assert told(experiment_id="exp", experiment_variant="B").weights_now == Weights(pop=0.0, cooc=0.9, emb=0.0)


def test_a_version_that_the_snapshot_does_not_know():
    """Is said, with what to do; nothing is made up."""
    made = told(config_version="c3-later")
    assert made.config.name == "c3-later"
    assert made.config.document is None
    assert "does not know c3-later: export a newer one" in made.config.note
    assert (made.layers, made.weights, made.config.diff) == ([], None, [])
    assert told(config_version=None).config.note == "the list names no version of the configuration"


def test_a_list_of_another_tenant():
    """Versions of one tenant say nothing of another's lists, though they may have one name."""
    made = told(tenant_id="other")
    assert (made.config.name, made.config.document) == ("c1-old", None)
    assert "another tenant" in made.config.note
    assert made.notes[0] == "The snapshot is of tenant demo, and the list of tenant other."
    assert made.weights is None


def test_lists_that_the_services_own_settings_bound():
    """The version carries the bound; it is the same version all the same."""
    made = told(config_version="c1-old.k50")
    assert made.config.name == "c1-old"
    assert "to 50 items" in made.notes[0]


def test_what_the_configuration_does_not_know():
    """A variant, or a surface that the list does not name, is told."""
    made = told(experiment_id="exp", experiment_variant="Z")
    assert "no variant Z of exp" in made.notes[0]
    assert "names no surface" in told(surface=None).notes[0]


def test_rules():
    """Without rules the list says so; versions that a snapshot has are told as those of the configuration are."""
    assert told().rules.note == "the list was ranked without rules"
    assert told(rules_version=None).rules.note == "the list names no version of the rules"
    assert "does not know r1-x" in told(rules_version="r1-x").rules.note
    rules = [
        RulesVersion(version=n, name=f"r{n}-x", created_at=AT, current=n == 2, document={"pins": n}) for n in (1, 2)
    ]
    made = told(Snapshot(tenant_id="demo", exported_at=AT, service_version="1", config=[], rules=rules),
                rules_version="r1-x")  # fmt: skip
    assert made.rules.document == {"pins": 1}
    assert made.rules.diff[-3:] == ['-  "pins": 1', '+  "pins": 2', " }"]


def test_the_diff_of_a_version_to_itself_is_empty_however_it_is_written():
    """Defaults that are written out, and those that are left out, are one document."""
    config = [version(1, "a", parse(b"{}")), version(2, "b", parse(b'{"limits": {"max_k": 200}}'), True)]
    made = told(Snapshot(tenant_id="demo", exported_at=AT, service_version="1", config=config), config_version="a")
    assert made.config.diff == []


def test_of_several_lists_it_says_which_one_it_explains(traced):
    """The first one that is no copy of another; where there is one list, nothing need be said."""
    row = {
        "request_id": "r1", "user_id": "u", "ts": "2026-02-05T10:00:00Z", "items": [{"item_id": "a", "rank": 1}],
        "context": {"tenant_id": "demo", "surface": "item", "config_version": "c1-old"},
    }  # fmt: skip
    later = row | {"ts": "2026-02-05T10:00:09Z"}
    other = later | {"items": [], "context": {**row["context"], "config_version": "c2-new"}}
    one = traced("r1", [later, row], snapshot=("s.json", SNAPSHOT)).applied
    two = traced("r1", [other, later, row], snapshot=("s.json", SNAPSHOT)).applied
    assert (one.config.name, two.config.name) == ("c1-old", "c1-old")
    assert not any("one of" in note for note in one.notes)
    assert "exposures.jsonl:3 was ranked by, one of 2 with this id" in two.notes[0]

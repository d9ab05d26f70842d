"""Tenant configuration: what it accepts, how it refuses, and which weights are in force."""

import msgspec
import pytest

from recsys.contracts.config import DEFAULT_WEIGHTS, TenantConfig, Weights, encode, parse, reassigned
from recsys.errors import ConfigError

FULL = b"""{
  "weights": {"pop": 0.7, "cooc": 0.3},
  "limits": {"max_k": 100},
  "surfaces": {"item_page": {"weights": {"cooc": 0.9}}},
  "experiments": {"exp-1": {"traffic_percent": 12.5,
                            "variants": {"Z": {}, "A": {"weight": 3, "weights": {"pop": 0, "emb": 0}}}}}
}"""


def test_a_full_document_is_read_and_written_back():
    """Every part arrives, the variants in their order, and the canonical text reads as the same."""
    config = parse(FULL)
    assert config.limits.max_k == 100
    experiment = config.experiments["exp-1"]
    assert list(experiment.variants) == ["Z", "A"]
    assert [variant.weight for variant in experiment.variants.values()] == [1, 3]
    assert experiment.traffic_percent == 12.5
    assert parse(encode(config)) == config
    assert parse(b"{}") == TenantConfig()


def test_weights_lie_over_each_other_one_by_one():
    """Request over variant over surface over tenant over defaults; what a layer leaves out shines through."""
    config = parse(FULL)
    assert TenantConfig().weights_for("home") == DEFAULT_WEIGHTS
    assert config.weights_for("home") == Weights(pop=0.7, cooc=0.3, emb=0.0)
    assert config.weights_for("item_page") == Weights(pop=0.7, cooc=0.9, emb=0.0)
    variant = config.experiments["exp-1"].variants["A"].weights
    assert config.weights_for("item_page", variant) == Weights(pop=0.0, cooc=0.9, emb=0.0)
    assert config.weights_for("item_page", variant, Weights(pop=2.0)) == Weights(pop=2.0, cooc=0.9, emb=0.0)
    assert config.weights_for("home", request=Weights(cooc=0.0)) == Weights(pop=0.7, cooc=0.0, emb=0.0)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b'{"weigths":{}}', "c.json: $: unknown key (found 'weigths'). Did you mean 'weights'?"),
        (
            b'{"surfaces":{"home":{"weights":{"cooq":1}}}}',
            "c.json: $.surfaces.home.weights: unknown key (found 'cooq'). Did you mean 'cooc'?",
        ),
        (b'{"weights":{"pop":-1}}', "c.json: $.weights.pop: Expected `float` >= 0.0"),
        (b'{"weights":{"pop":"1"}}', "c.json: $.weights.pop: Expected `float`, got `str`"),
        (b'{"limits":{"max_k":201}}', "c.json: $.limits.max_k: Expected `int` <= 200"),
        (b'{"limits":{"max_k":true}}', "c.json: $.limits.max_k: Expected `int`, got `bool`"),
        (b'{"limits":null}', "c.json: $.limits: Expected `object`, got `null`"),
        (
            b'{"experiments":{"e":{"variants":{"A":{"weight":0}}}}}',
            "c.json: $.experiments.e.variants.A.weight: Expected `int` >= 1",
        ),
        (
            b'{"experiments":{"e":{"variants":{}}}}',
            "c.json: $.experiments.e.variants: Expected `object` of length >= 1",
        ),
        (b'{"experiments":{"e":{}}}', "c.json: $.experiments.e: Object missing required field `variants`"),
        (
            b'{"experiments":{"e":{"variants":{"A":{}},"traffic_percent":101}}}',
            "c.json: $.experiments.e.traffic_percent: Expected `float` <= 100.0",
        ),
        (b"[]", "c.json: $: Expected `object`, got `array`"),
        (b'{"weights":{"pop":1,"pop":2}}', "c.json: a key is given twice (found 'pop'). Keep one of them."),
    ],
)
def test_faults_are_named_with_their_path(raw, told):
    """One message: where, what was found, and the nearest known key."""
    with pytest.raises(ConfigError) as caught:
        parse(raw, where="c.json")
    assert str(caught.value) == told


@pytest.mark.parametrize(
    "raw", [b"", b"{", b'{"weights":{"pop":NaN}}', b'{"weights":{"pop":1e999}}', b"\xff", b"[" * 100_000]
)
def test_what_is_no_json_is_told_so(raw):
    """Without a traceback, whatever the bytes are."""
    with pytest.raises(ConfigError, match="not valid JSON"):
        parse(raw)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\n", "\n", "x" * 129])
def test_surfaces_are_safe_path_segments(name):
    """A surface that could leave its folder or its URL is refused; unusual but safe ones are not."""
    with pytest.raises(ConfigError, match="not a usable name"):
        parse(msgspec.json.encode({"surfaces": {name: {}}}))
    for fine in ("home", "a.b", ".a", "..a", "...", "détail ½"):
        assert fine in parse(msgspec.json.encode({"surfaces": {fine: {}}})).surfaces


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"weights": {"emb": 1}}, "$.weights.emb"),
        ({"surfaces": {"home": {"weights": {"emb": 0.1}}}}, "$.surfaces.home.weights.emb"),
        (
            {"experiments": {"e": {"variants": {"A": {"weights": {"emb": 2}}}}}},
            "$.experiments.e.variants.A.weights.emb",
        ),
    ],
)
def test_embeddings_are_refused_by_name(document, path):
    """A weight that has no effect yet is not taken silently."""
    with pytest.raises(ConfigError, match="embeddings are not available in this version") as caught:
        parse(msgspec.json.encode(document))
    assert caught.value.where == f"config: {path}"


def test_too_large_a_document_is_refused():
    """Before it is parsed."""
    with pytest.raises(ConfigError, match="too large"):
        parse(b" " * ((1 << 20) + 1))


def test_changes_that_reassign_subjects_are_told():
    """Order, names, weights or traffic of an experiment that stays; not what a variant ranks by, not new ids."""
    old = parse(FULL)
    same = FULL.replace(b'"pop": 0,', b'"pop": 0.5,').replace(
        b'"exp-1": {', b'"exp-2": {"variants": {"A": {}}}, "exp-1": {'
    )
    assert reassigned(old, parse(same)) == []
    assert reassigned(old, TenantConfig()) == []
    for change in ((b'"weight": 3', b'"weight": 2'), (b"12.5", b"13"), (b'"Z"', b'"C"'), (b'"Z": {},', b"")):
        assert reassigned(old, parse(FULL.replace(*change))) == ["exp-1"]
    swapped = b'{"experiments":{"exp-1":{"traffic_percent":12.5,"variants":{"A":{"weight":3},"Z":{}}}}}'
    assert reassigned(old, parse(swapped)) == ["exp-1"]

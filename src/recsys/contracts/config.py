"""Tenant configuration: the document that an operator writes and the service ranks by. JSON, closed, versioned whole.

::

    {"weights": {"pop": 0.7, "cooc": 0.3},
     "limits": {"max_k": 100},
     "surfaces": {"item_page": {"weights": {"cooc": 0.9}}},
     "experiments": {"exp-1": {"traffic_percent": 50,
                               "variants": {"A": {}, "B": {"weight": 2, "weights": {"pop": 0.1}}}}}}

Weights are laid over each other one by one: request, over variant, over surface, over tenant, over the defaults.
The order of an experiment's variants decides who gets which, so it is kept as it is written.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from recsys.errors import ConfigError, nearest

MAX_CONFIG_BYTES = 1 << 20
MAX_K = 200
MAX_WEIGHT = 1e6
MAX_VARIANT_WEIGHT = 1_000_000

_CHARACTER = r"[^/\\\u0000-\u001f\u007f-\u009f]"
# A path segment that is safe in URLs and file names: no "/", "\" or control characters, not "." or "..".
SURFACE_PATTERN = rf"^({_CHARACTER}*[^./\\\u0000-\u001f\u007f-\u009f]{_CHARACTER}*|\.{{3,}})(?![\s\S])"

Weight = Annotated[float, Meta(ge=0, le=MAX_WEIGHT)]
Name = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\u0000-\u001f\u007f-\u009f]*(?![\s\S])")]
SurfaceName = Annotated[str, Meta(min_length=1, max_length=128, pattern=SURFACE_PATTERN)]


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What all parts of a configuration share: immutable, closed, absent fields left out."""


class Weights(_Part, frozen=True, kw_only=True):
    """How much each signal counts, relative to the others; absent ones are those of the layer below.

    ``pop`` decayed popularity, ``cooc`` co-visitation, ``emb`` embeddings (only 0 in this version).
    """

    pop: Weight | UnsetType = UNSET
    cooc: Weight | UnsetType = UNSET
    emb: Weight | UnsetType = UNSET

    def over(self, base: Weights) -> Weights:
        """These weights where they are given, else those of ``base``."""
        return Weights(
            pop=base.pop if self.pop is UNSET else self.pop,
            cooc=base.cooc if self.cooc is UNSET else self.cooc,
            emb=base.emb if self.emb is UNSET else self.emb,
        )


DEFAULT_WEIGHTS = Weights(pop=0.3, cooc=0.7, emb=0.0)
"""Whom a subject resembles says more than what everybody likes; without history or anchors only the latter speaks, and
orders the list alone."""


class Limits(_Part, frozen=True, kw_only=True):
    """Bounds of one tenant's requests. ``max_k``: the longest list that may be asked for."""

    max_k: Annotated[int, Meta(ge=1, le=MAX_K)] = MAX_K


class Surface(_Part, frozen=True, kw_only=True):
    """What differs on one surface."""

    weights: Weights = field(default_factory=Weights)


class Variant(_Part, frozen=True, kw_only=True):
    """One arm of an experiment: its share of the subjects relative to the others, and what differs in it."""

    weight: Annotated[int, Meta(ge=1, le=MAX_VARIANT_WEIGHT)] = 1
    weights: Weights = field(default_factory=Weights)


class Experiment(_Part, frozen=True, kw_only=True):
    """Variants in the order that decides assignment, and the share of subjects that take part at all."""

    variants: Annotated[dict[Name, Variant], Meta(min_length=1)]
    traffic_percent: Annotated[float, Meta(ge=0, le=100)] = 100.0


class TenantConfig(_Part, frozen=True, kw_only=True):
    """The whole document. Every part is optional; the empty document ranks by the defaults."""

    weights: Weights = field(default_factory=Weights)
    limits: Limits = field(default_factory=Limits)
    surfaces: dict[SurfaceName, Surface] = field(default_factory=dict)
    experiments: dict[Name, Experiment] = field(default_factory=dict)

    def weights_for(self, surface: str, variant: Weights | None = None, request: Weights | None = None) -> Weights:
        """The weights in force, each of them given: request over variant over surface over tenant over defaults."""
        layers = [self.weights, self.surfaces[surface].weights if surface in self.surfaces else None, variant, request]
        weights = DEFAULT_WEIGHTS
        for layer in layers:
            weights = weights if layer is None else layer.over(weights)
        return weights


def parse(raw: bytes, *, where: str = "config") -> TenantConfig:
    """The configuration in ``raw`` (JSON); ConfigError names the JSON path, what was found and the nearest known key.

    Stricter than the types alone: keys given twice are refused, and so is what this version does not do yet.
    """
    if len(raw) > MAX_CONFIG_BYTES:
        raise ConfigError("too large for a configuration", where=where, found=f"{len(raw):,} bytes")
    try:
        msgspec.json.decode(raw)
        document = json.loads(raw, object_pairs_hook=lambda pairs: _once(pairs, where))
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ConfigError("not valid JSON", where=where, found=str(error)) from None
    try:
        config = msgspec.convert(document, TenantConfig)
    except msgspec.ValidationError as error:
        _explain(document, TenantConfig, "$", where)
        raise ConfigError(str(error), where=where) from None
    _refuse_later(config, where)
    return config


def encode(config: TenantConfig) -> bytes:
    """The canonical text of ``config``: one line of JSON, defaults left out, variants in their order."""
    return msgspec.json.encode(config)


def reassigned(old: TenantConfig, new: TenantConfig) -> list[str]:
    """Experiments of both whose variants or traffic differ, so that subjects would change sides under one id.

    Sorted by id. Such a change spoils the experiment: it needs a new id.
    """
    return sorted(
        name
        for name in old.experiments.keys() & new.experiments.keys()
        if _split(old.experiments[name]) != _split(new.experiments[name])
    )


def _split(experiment: Experiment) -> object:
    return experiment.traffic_percent, [(name, variant.weight) for name, variant in experiment.variants.items()]


def _once(pairs: list[tuple[str, Any]], where: str) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError("a key is given twice", where=where, found=repr(twice), hint="Keep one of them.")
    return found


def _refuse_later(config: TenantConfig, where: str) -> None:
    layers = {"$.weights": config.weights}
    layers |= {f"$.surfaces.{name}.weights": surface.weights for name, surface in config.surfaces.items()}
    for name, experiment in config.experiments.items():
        path = f"$.experiments.{name}.variants"
        layers |= {f"{path}.{arm}.weights": variant.weights for arm, variant in experiment.variants.items()}
    for path, weights in layers.items():
        if weights.emb:
            raise ConfigError(
                "embeddings are not available in this version",
                where=f"{where}: {path}.emb",
                found=f"{weights.emb:g}",
                expected="0",
                hint="Leave it out.",
            )


def _explain(value: Any, kind: Any, path: str, where: str) -> None:
    """Raise the ConfigError for the first fault of ``value``; msgspec alone does not name the keys of mappings."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        if isinstance(value, dict):
            known = {part.name: part.type for part in msgspec.structs.fields(kind)}
            for name, inner in value.items():
                if name not in known:
                    at = f"{where}: {path}"
                    raise ConfigError("unknown key", where=at, found=repr(name), hint=nearest(name, list(known)))
                _explain(inner, known[name], f"{path}.{name}", where)
    elif (entry := _entry_type(kind)) and isinstance(value, dict):
        for name, inner in value.items():
            _check_name(name, entry[0], path, where)
            _explain(inner, entry[1], f"{path}.{name}", where)
    _convert(value, kind, path, where)


def _entry_type(kind: Any) -> tuple[Any, Any] | None:
    """Key and value types of a mapping type, also where it is annotated; None for other types."""
    plain = getattr(kind, "__origin__", kind) if hasattr(kind, "__metadata__") else kind
    return plain.__args__ if getattr(plain, "__origin__", None) is dict else None


def _check_name(name: str, kind: Any, path: str, where: str) -> None:
    try:
        msgspec.convert(name, kind)
    except msgspec.ValidationError:
        legal = "1 to 128 characters, no control characters"
        if kind is SurfaceName:
            legal += ', no "/" or "\\", not "." or ".."'
        raise ConfigError(
            "not a usable name", where=f"{where}: {path}", found=repr(name)[:80], expected=legal
        ) from None


def _convert(value: Any, kind: Any, path: str, where: str) -> None:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        problem = str(error).split(" - at ")[0]
        raise ConfigError(problem, where=f"{where}: {path}") from None

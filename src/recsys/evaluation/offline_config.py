"""Section ``offline`` of the YAML: what is measured, at which level, by which slices together, and the gates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from recsys.attribution import documents
from recsys.errors import ConfigError, nearest
from recsys.evaluation.metrics import DEFAULT_PACK, Metric, parse
from recsys.evaluation.metrics.base import Scored
from recsys.statistics.ratio import LEVEL

MAX_METRICS = 100
MAX_CROSSED = 8
MAX_GATES = 100
MIN_USERS = 100
KEYS = ("metrics", "gates", "bootstrap", "crossed_slices")
CROSS = "*"
PAIR = 2


class Gate(Struct, frozen=True, kw_only=True):
    """A bound on how much a metric may get worse than in a baseline. With ``slice_key`` each value of it that has at
    least ``min_users`` users is judged."""

    metric: str
    max_drop: float
    slice_key: str = ""
    min_users: int = MIN_USERS

    def effective(self) -> dict[str, Any]:
        """In the form of the YAML."""
        shown: dict[str, Any] = {"metric": self.metric, "max_drop": self.max_drop}
        return shown if not self.slice_key else {**shown, "slice_key": self.slice_key, "min_users": self.min_users}


class OfflineConfig(Struct, frozen=True, kw_only=True):
    """What is asked of an offline run beside its metrics. ``crossed`` are pairs of slice keys."""

    gates: list[Gate] = field(default_factory=list)
    level: float = LEVEL
    crossed: list[tuple[str, str]] = field(default_factory=list)

    def effective(self) -> dict[str, Any]:
        """In the form of the YAML, with every default written out."""
        return {
            "gates": [gate.effective() for gate in self.gates],
            "bootstrap": {"level": self.level},
            "crossed_slices": [list(pair) for pair in self.crossed],
        }

    def check(self, slice_keys: Sequence[str], where: str) -> None:
        """ConfigError where a pair or a gate is of a slice key that is not among these."""
        for place, pair in enumerate(self.crossed):
            for key in pair:
                _known_key(key, slice_keys, f"{where}.crossed_slices[{place}]")
        keys = [*slice_keys, *(CROSS.join(pair) for pair in self.crossed)]
        for place, gate in enumerate(self.gates):
            if gate.slice_key:
                _known_key(gate.slice_key, keys, f"{where}.gates[{place}].slice_key")


def read(section: Mapping[str, Any], slice_keys: Sequence[str], where: str) -> tuple[list[str], OfflineConfig]:
    """The metrics and the rest; ConfigError says which key, what was found and what was expected."""
    documents.check_keys(section, KEYS, where)
    names = _metrics(section.get("metrics"), f"{where}.metrics")
    found = OfflineConfig(
        gates=_gates(section.get("gates"), names, f"{where}.gates"),
        level=_level(documents.section(section, "bootstrap", where), f"{where}.bootstrap"),
        crossed=_crossed(section.get("crossed_slices"), f"{where}.crossed_slices"),
    )
    found.check(slice_keys, where)
    return names, found


def _level(section: Mapping[str, Any], where: str) -> float:
    documents.check_keys(section, ["level", "replicates", "seed"], where)
    for key in ("replicates", "seed"):
        if key in section:
            raise ConfigError(
                "it would have no effect: no offline figure is bootstrapped",
                where=f"{where}.{key}",
                found=repr(section[key])[:80],
                hint="Intervals come of formulas (delta method, jackknife) and need no draws: remove it.",
            )
    return documents.number(section.get("level", LEVEL), f"{where}.level", low=0.5, high=0.9999)


def _crossed(value: object, where: str) -> list[tuple[str, str]]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MAX_CROSSED:
        raise ConfigError(
            "not a list of pairs", where=where, found=repr(value)[:80], expected=f"up to {MAX_CROSSED} pairs"
        )
    pairs = []
    for place, entry in enumerate(value):
        at = f"{where}[{place}]"
        if not isinstance(entry, list) or len(entry) != PAIR or not all(isinstance(key, str) for key in entry):
            raise ConfigError("not two slice keys", where=at, found=repr(entry)[:80], expected="[surface, device]")
        if entry[0] == entry[1]:
            raise ConfigError("a key crossed with itself", where=at, found=repr(entry)[:80])
        if tuple(entry) in pairs or tuple(reversed(entry)) in pairs:
            raise ConfigError("the pair is there twice", where=at, found=repr(entry)[:80])
        pairs.append((entry[0], entry[1]))
    return pairs


def _known_key(key: str, known: Sequence[str], where: str) -> None:
    if key not in known:
        hint = f"Name it in slice_keys. {nearest(key, list(known))}" if known else "Name it in slice_keys."
        raise ConfigError("it is sliced by no such key", where=where, found=repr(key)[:80], hint=hint)


def _gates(value: object, names: Sequence[str], where: str) -> list[Gate]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MAX_GATES:
        raise ConfigError(
            "not a list of gates", where=where, found=repr(value)[:80], expected=f"up to {MAX_GATES} of them"
        )
    gates = [_gate(entry, names, f"{where}[{place}]") for place, entry in enumerate(value)]
    for place, gate in enumerate(gates):
        if any((gate.metric, gate.slice_key) == (other.metric, other.slice_key) for other in gates[:place]):
            raise ConfigError("a second gate on the same", where=f"{where}[{place}]", found=gate.metric)
    return gates


def _gate(entry: object, names: Sequence[str], where: str) -> Gate:
    if not isinstance(entry, dict):
        found = documents.type_name(entry)
        raise ConfigError("not a gate", where=where, found=found, expected="{metric: ndcg@10, max_drop: 0.01}")
    documents.check_keys(entry, ["metric", "max_drop", "slice_key", "min_users"], where)
    for key in ("metric", "max_drop"):
        if key not in entry:
            raise ConfigError(f"a gate needs {key}", where=where, found=repr(entry)[:80])
    gate = Gate(
        metric=_gated(entry["metric"], names, f"{where}.metric"),
        max_drop=documents.number(entry["max_drop"], f"{where}.max_drop", low=0, high=math.inf),
    )
    _can_fail(gate, f"{where}.max_drop")
    if "slice_key" not in entry:
        if "min_users" in entry:
            hint = "It is for the values of a slice_key: give one, or remove it."
            raise ConfigError("it would have no effect", where=f"{where}.min_users", found="no slice_key", hint=hint)
        return gate
    return Gate(
        metric=gate.metric,
        max_drop=gate.max_drop,
        slice_key=_word(entry["slice_key"], f"{where}.slice_key"),
        min_users=int(documents.number(entry.get("min_users", MIN_USERS), f"{where}.min_users", low=1, high=10**9)),
    )


def _can_fail(gate: Gate, where: str) -> None:
    """ConfigError for a bound that no change could go beyond."""
    metric = parse(gate.metric.split("|")[0])
    reach = metric.highest - metric.lowest
    if gate.max_drop < reach and math.isfinite(gate.max_drop):
        return
    hint = ""
    if math.isfinite(reach):
        hint = f"It is in the unit of the metric, which is from {metric.lowest:g} to {metric.highest:g}"
        part = gate.max_drop / 100
        hint += f": a drop by {gate.max_drop:g} percentage points is {part:g}." if 0 < part < reach else "."
    expected = "" if math.isinf(reach) else f"under {reach:g}"
    raise ConfigError(
        "it would let everything pass", where=where, found=repr(gate.max_drop), expected=expected, hint=hint
    )


def _word(value: object, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError("not a slice key", where=where, found=repr(value)[:80], expected="surface")
    return value


def _gated(value: object, names: Sequence[str], where: str) -> str:
    """The name of a metric that is computed, or of a score over those that responded."""
    if not isinstance(value, str):
        raise ConfigError("not the name of a metric", where=where, found=repr(value)[:80], expected="ndcg@10")
    plain, responded = value.removesuffix("|responded"), value.endswith("|responded")
    metric: Metric = parse(plain, where)
    if str(metric) not in names:
        raise ConfigError(
            "a gate on a metric that is not computed",
            where=where, found=value[:80], expected=", ".join(names), hint="Name it in offline.metrics too.",
        )  # fmt: skip
    if responded and not isinstance(metric, Scored):
        raise ConfigError("this metric has no mean over those that responded", where=where, found=value[:80])
    return value


def _metrics(value: object, where: str) -> list[str]:
    if value is None:
        return list(DEFAULT_PACK)
    if not isinstance(value, list) or not value or len(value) > MAX_METRICS:
        found = f"{len(value)} metrics" if isinstance(value, list) else documents.type_name(value)
        raise ConfigError("not a list of metrics", where=where, found=found, expected=f"1 to {MAX_METRICS} names")
    names = [str(parse(_name(entry, f"{where}[{place}]"), f"{where}[{place}]")) for place, entry in enumerate(value)]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError("the metric is named twice", where=where, found=name)
    return names


def _name(entry: object, where: str) -> str:
    """``ndcg@10``, or ``{name: ndcg, k: 10}``."""
    if isinstance(entry, str):
        return entry
    if not isinstance(entry, dict):
        raise ConfigError(
            "not a metric", where=where, found=documents.type_name(entry), expected="a name, or {name, k}"
        )
    documents.check_keys(entry, ["name", "k"], where)
    if not isinstance(entry.get("name"), str):
        raise ConfigError("a metric needs a name", where=where, found=repr(entry)[:80], expected="{name: ndcg, k: 10}")
    return entry["name"] if entry.get("k") is None else f"{entry['name']}@{entry['k']}"

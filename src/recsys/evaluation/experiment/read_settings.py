"""From a YAML to the settings of an experiment; ConfigError says which key, what was found and what was expected."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from recsys.attribution import documents
from recsys.attribution.experiment import SCOPES
from recsys.errors import ConfigError, nearest
from recsys.evaluation.experiment import measures
from recsys.evaluation.experiment.guardrails import DEFAULT_GUARDRAILS, LIMITS, GuardrailRule
from recsys.evaluation.experiment.settings import (
    DEFAULT_PRIMARY,
    DEFAULT_SECONDARY,
    MAX_BUCKETS,
    METHODS,
    BootstrapSettings,
    CupedSettings,
    ExperimentConfig,
    PowerSettings,
    SequentialSettings,
    SrmSettings,
    Threshold,
)

KEYS = (
    "experiment_id", "control_variant", "candidate_variant", "scope", "as_of", "primary_metrics", "primary_rule",
    "secondary_metrics", "guardrails", "thresholds", "cuped", "srm", "multiple_comparisons", "sequential", "power",
    "bootstrap", "revenue_cap", "min_slice_users", "min_valid_rate", "decision",
)  # fmt: skip
MAX_METRICS = 50
MAX_WEIGHT = 1e9
MAX_UNITS = 10**12
_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%")
Section = Mapping[str, Any]


def read(section: Section, where: str) -> ExperimentConfig:
    """The settings of a section whose keys are all optional."""
    documents.check_keys(section, KEYS, where)

    def at(key: str) -> str:
        return f"{where}.{key}"

    primary = _metrics(section.get("primary_metrics"), at("primary_metrics"), DEFAULT_PRIMARY)
    if not primary:
        raise ConfigError("a decision needs a primary metric", where=at("primary_metrics"), found="[]")
    corrections = documents.section(section, "multiple_comparisons", where)
    documents.check_keys(corrections, ("method", "alpha"), at("multiple_comparisons"))
    decision = documents.section(section, "decision", where)
    documents.check_keys(decision, ("enabled",), at("decision"))
    cap = section.get("revenue_cap")
    config = ExperimentConfig(
        experiment_id=_name(section.get("experiment_id"), at("experiment_id")),
        control_variant=_name(section.get("control_variant"), at("control_variant")),
        candidate_variants=_names(section.get("candidate_variant"), at("candidate_variant")),
        scope=_choice(section.get("scope", "request"), SCOPES, at("scope")),
        as_of=_instant(section.get("as_of"), at("as_of")),
        primary_metrics=primary,
        primary_rule=_choice(section.get("primary_rule", "all"), ("all", "any"), at("primary_rule")),
        secondary_metrics=_secondary(section, at("secondary_metrics"), primary),
        guardrails=_guardrails(section.get("guardrails"), at("guardrails")),
        thresholds=_thresholds(documents.section(section, "thresholds", where), at("thresholds"), primary),
        cuped=_cuped(documents.section(section, "cuped", where), at("cuped")),
        srm=_srm(documents.section(section, "srm", where), at("srm")),
        method=_choice(corrections.get("method", METHODS[0]), METHODS, at("multiple_comparisons.method")),
        alpha=documents.number(corrections.get("alpha", 0.05), at("multiple_comparisons.alpha"), low=1e-6, high=0.4),
        sequential=_sequential(documents.section(section, "sequential", where), at("sequential")),
        power=_power(documents.section(section, "power", where), at("power")),
        bootstrap=_bootstrap(documents.section(section, "bootstrap", where), at("bootstrap")),
        revenue_cap=None if cap is None else _positive(cap, at("revenue_cap")),
        min_slice_users=_whole(section.get("min_slice_users", 100), at("min_slice_users"), 10, MAX_UNITS),
        min_valid_rate=documents.number(section.get("min_valid_rate", 0.95), at("min_valid_rate"), low=0, high=1),
        decide=_flag(decision.get("enabled", True), at("decision.enabled")),
    )
    _check_arms(config, where)
    return config


def check_arms(config: ExperimentConfig) -> None:
    """The same check for arms that options of a command replaced."""
    _check_arms(config, "experiment")


def _check_arms(config: ExperimentConfig, where: str) -> None:
    """The control is no candidate, and what is expected holds both."""
    named = [*([config.control_variant] if config.control_variant else []), *(config.candidate_variants or [])]
    if len(set(named)) < len(named):
        raise ConfigError("an arm is named twice", where=f"{where}.candidate_variant", found=", ".join(named))
    if config.srm.expected is not None:
        for arm in named:
            if arm not in config.srm.expected:
                hint = nearest(arm, list(config.srm.expected))
                raise ConfigError("the arm is not among those expected", where=f"{where}.srm", found=arm, hint=hint)


def _metrics(value: Any, where: str, default: tuple[str, ...]) -> list[str]:
    if value is None:
        return list(default)
    names = [] if value == [] else documents.words(value, where)
    if len(names) > MAX_METRICS:
        raise ConfigError("too many metrics", where=where, found=str(len(names)), expected=f"{MAX_METRICS} at most")
    parsed = [str(measures.parse(name, f"{where}[{place}]")) for place, name in enumerate(names)]
    for name in parsed:
        if parsed.count(name) > 1:
            raise ConfigError("the metric is named twice", where=where, found=name)
    return parsed


def _secondary(section: Section, where: str, primary: list[str]) -> list[str]:
    named = _metrics(section.get("secondary_metrics"), where, ())
    both = [name for name in named if name in primary]
    if both:
        raise ConfigError("the metric is a primary one already", where=where, found=both[0])
    if section.get("secondary_metrics") is None:
        return [name for name in DEFAULT_SECONDARY if name not in primary]
    return named


def _guardrails(value: Any, where: str) -> list[GuardrailRule]:
    """A list of ``{metric, margin}``, ``{metric, limit}`` or ``{max_…: n}``, or a mapping of the latter."""
    if value is None:
        return list(DEFAULT_GUARDRAILS)
    entries = [{key: limit} for key, limit in value.items()] if isinstance(value, dict) else value
    if not isinstance(entries, list):
        raise ConfigError("not guardrails", where=where, found=documents.type_name(value), expected="a list")
    found = [_guardrail(entry, f"{where}[{place}]") for place, entry in enumerate(entries)]
    for rule in found:
        if sum((rule.metric, rule.limit is None) == (other.metric, other.limit is None) for other in found) > 1:
            raise ConfigError("the guardrail is given twice", where=where, found=rule.metric)
    return found


def _guardrail(entry: Any, where: str) -> GuardrailRule:
    if not isinstance(entry, dict):
        raise ConfigError("not a guardrail", where=where, found=documents.type_name(entry), expected="{metric, margin}")
    if len(entry) == 1 and next(iter(entry)) in LIMITS:
        ((key, limit),) = entry.items()
        return GuardrailRule(metric=LIMITS[key], limit=_limit(limit, f"{where}.{key}"))
    documents.check_keys(entry, ("metric", "margin", "limit", *LIMITS), where)
    name = entry.get("metric")
    if not isinstance(name, str):
        raise ConfigError(
            "a guardrail needs a metric", where=where, found=repr(entry)[:80], expected="{metric, margin}"
        )
    metric = str(measures.parse(name, f"{where}.metric"))
    if ("margin" in entry) == ("limit" in entry):
        found = "both" if "margin" in entry else "neither"
        raise ConfigError("a guardrail has a margin or a limit", where=where, found=found, expected="one of them")
    if "limit" in entry and measures.parse(metric, where).better == "higher":
        hint = "Give a margin: how much less would not matter."
        raise ConfigError(
            "a limit is a cap, and of this metric more is better", where=f"{where}.limit", found=metric, hint=hint
        )  # fmt: skip
    if "limit" in entry:
        return GuardrailRule(metric=metric, limit=_limit(entry["limit"], f"{where}.limit"))
    margin = _amount(entry["margin"], f"{where}.margin")
    if margin.value <= 0:
        hint = "No test can show that nothing got worse at all: say how much worse would not matter."
        raise ConfigError(
            "a margin of 0 cannot be passed", where=f"{where}.margin", found=repr(entry["margin"]), hint=hint
        )
    return GuardrailRule(metric=metric, margin=margin.value, relative=margin.relative)


def _limit(value: Any, where: str) -> float:
    return documents.number(value, where, low=0, high=1e12)


def _amount(value: Any, where: str) -> Threshold:
    """A number in the metric's unit, or a text such as ``2%``, relative to the control."""
    if isinstance(value, str) and (match := _PERCENT.fullmatch(value.strip())):
        return Threshold(value=float(match[1]) / 100, relative=True)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        expected = "a number from 0 on in the metric's unit, or a share of the control such as 2%"
        raise ConfigError("not a usable value", where=where, found=repr(value)[:40], expected=expected)
    return Threshold(value=float(value))


def _thresholds(section: Section, where: str, primary: list[str]) -> dict[str, Threshold]:
    found = {}
    for name, value in section.items():
        if name not in primary:
            hint = nearest(str(name), primary)
            raise ConfigError("a threshold is for a primary metric", where=where, found=repr(name), hint=hint)
        found[name] = _amount(value, f"{where}.{name}")
    return found


def _cuped(section: Section, where: str) -> CupedSettings:
    documents.check_keys(section, ("enabled", "covariate_key"), where)
    key = _name(section.get("covariate_key"), f"{where}.covariate_key")
    enabled = _flag(section.get("enabled", False), f"{where}.enabled")
    if key is not None and not enabled:
        hint = "Give enabled: true, or leave it out."
        raise ConfigError(
            "a covariate says nothing without CUPED", where=f"{where}.covariate_key", found=key, hint=hint
        )
    return CupedSettings(enabled=enabled, covariate_key=key)


def _srm(section: Section, where: str) -> SrmSettings:
    documents.check_keys(section, ("enabled", "alpha", "expected"), where)
    expected = documents.section(section, "expected", where) or None
    if expected is not None:
        expected = {str(arm): _weight(weight, f"{where}.expected.{arm}") for arm, weight in expected.items()}
        if len(expected) < 2:
            raise ConfigError("an experiment has two arms or more", where=f"{where}.expected", found=str(expected))
    return SrmSettings(
        enabled=_flag(section.get("enabled", True), f"{where}.enabled"),
        alpha=_open_share(section.get("alpha", 0.001), f"{where}.alpha"),
        expected=expected,
    )


def _weight(value: Any, where: str) -> float:
    return documents.number(value, where, low=1 / MAX_WEIGHT, high=MAX_WEIGHT)


def _sequential(section: Section, where: str) -> SequentialSettings:
    documents.check_keys(section, ("enabled", "horizon", "planned_units"), where)
    planned = section.get("planned_units", SequentialSettings().planned_units)
    enabled, horizon = (
        _flag(section.get("enabled", True), f"{where}.enabled"), _instant(section.get("horizon"), f"{where}.horizon"),
    )  # fmt: skip
    if horizon is not None and not enabled:
        hint = "Until its horizon an experiment is watched by the sequence; from then on it is not used. Leave one out."
        raise ConfigError("a horizon needs the sequence", where=f"{where}.enabled", found="false", hint=hint)
    return SequentialSettings(
        enabled=enabled,
        horizon=horizon,
        planned_units=_whole(planned, f"{where}.planned_units", 100, MAX_UNITS),
    )


def _power(section: Section, where: str) -> PowerSettings:
    documents.check_keys(section, ("effect", "power"), where)
    effect = section.get("effect")
    power = documents.number(section.get("power", 0.8), f"{where}.power", low=0.5, high=0.999)
    if effect is None:
        return PowerSettings(power=power)
    amount = _amount(effect, f"{where}.effect")
    if not amount.value:
        raise ConfigError("an effect of 0 cannot be found", where=f"{where}.effect", found=repr(effect))
    return PowerSettings(effect=amount.value, power=power)


def _bootstrap(section: Section, where: str) -> BootstrapSettings:
    documents.check_keys(section, ("replicates", "seed", "buckets"), where)
    default = BootstrapSettings()
    buckets = _whole(section.get("buckets", default.buckets), f"{where}.buckets", 16, MAX_BUCKETS)
    if buckets & (buckets - 1):
        raise ConfigError("not a power of two", where=f"{where}.buckets", found=str(buckets), expected="such as 1024")
    return BootstrapSettings(
        replicates=_whole(section.get("replicates", default.replicates), f"{where}.replicates", 100, 100_000),
        seed=_whole(section.get("seed", default.seed), f"{where}.seed", 0, 2**63 - 1),
        buckets=buckets,
    )


def _name(value: Any, where: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise ConfigError("not a name", where=where, found=repr(value)[:80], expected="text")
    return value


def _names(value: Any, where: str) -> list[str] | None:
    return None if value is None else documents.words(value, where)


def _choice(value: Any, known: tuple[str, ...], where: str) -> Any:
    if value not in known:
        raise ConfigError("no such choice", where=where, found=repr(value)[:40], hint=nearest(str(value), known))
    return value


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise ConfigError("not a switch", where=where, found=repr(value)[:40], expected="true or false")
    return value


def _whole(value: Any, where: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        expected = f"a whole number {low:,} to {high:,}"
        raise ConfigError("not a usable value", where=where, found=repr(value)[:40], expected=expected)
    return value


def _positive(value: Any, where: str) -> float:
    return documents.number(value, where, low=1e-6, high=1e12)


def _open_share(value: Any, where: str) -> float:
    found = documents.number(value, where, low=0, high=1)
    if not 0 < found < 1:
        raise ConfigError("not a usable value", where=where, found=repr(value), expected="a number between 0 and 1")
    return found


def _instant(value: Any, where: str) -> datetime | None:
    """YAML reads an instant by itself; one without an offset is refused, for nobody knows whose clock it is."""
    from recsys.contracts.types import TIMESTAMP_PATTERN

    if value is None:
        return None
    if isinstance(value, str) and re.fullmatch(TIMESTAMP_PATTERN, value):
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    expected = "an instant with an offset, such as 2026-02-05T10:00:00Z"
    raise ConfigError("not an instant", where=where, found=repr(value)[:60], expected=expected)

"""The section ``experiment`` of an evaluation YAML: what is compared, by what, and when it is decided."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from msgspec import Struct, field

from recsys.attribution.experiment import Scope
from recsys.evaluation.experiment.guardrails import DEFAULT_GUARDRAILS, GuardrailRule

DEFAULT_PRIMARY = ("ctr",)
DEFAULT_SECONDARY = ("conversion_rate", "revenue_per_exposure", "clicks_per_user", "revenue_per_user")
DEFAULT_ALPHA = 0.05
DEFAULT_POWER = 0.8
PLANNED_UNITS = 5_000
METHODS = ("benjamini_hochberg", "holm", "bonferroni", "none")
MAX_BUCKETS = 4_096


class Threshold(Struct, frozen=True, kw_only=True):
    """What an improvement must exceed: in the unit of the metric, or ``relative`` to the control."""

    value: float
    relative: bool = False

    def effective(self) -> float | str:
        """As it is written."""
        return spelt(self.value, relative=self.relative)


class CupedSettings(Struct, frozen=True, kw_only=True):
    """``covariate_key``: the context key of the assignment that holds the covariate; None is the metric itself, before
    the unit's first assignment."""

    enabled: bool = False
    covariate_key: str | None = None


class SrmSettings(Struct, frozen=True, kw_only=True):
    """``expected``: the arms that there should be, with their weights."""

    enabled: bool = True
    alpha: float = 0.001
    expected: dict[str, float] | None = None


class SequentialSettings(Struct, frozen=True, kw_only=True):
    """``horizon``: when the end, before which nothing ships. ``planned_units``: of the two arms that are compared
    together, for which the sequence is narrowest."""

    enabled: bool = True
    horizon: datetime | None = None
    planned_units: int = PLANNED_UNITS


class PowerSettings(Struct, frozen=True, kw_only=True):
    """``effect``: the smallest change of a primary metric, relative to the control, that is worth finding."""

    effect: float | None = None
    power: float = DEFAULT_POWER


class BootstrapSettings(Struct, frozen=True, kw_only=True):
    """Of quantiles. ``buckets`` of users, a power of two."""

    replicates: int = 1_000
    seed: int = 1
    buckets: int = 1_024


class ExperimentConfig(Struct, frozen=True, kw_only=True):
    """What ``run --mode experiment`` does. Metrics are names; see ``recsys-eval metrics``."""

    experiment_id: str | None = None
    control_variant: str | None = None
    candidate_variants: list[str] | None = None
    scope: Scope = "request"
    as_of: datetime | None = None
    primary_metrics: list[str] = field(default_factory=lambda: list(DEFAULT_PRIMARY))
    primary_rule: Literal["all", "any"] = "all"
    secondary_metrics: list[str] = field(default_factory=lambda: list(DEFAULT_SECONDARY))
    guardrails: list[GuardrailRule] = field(default_factory=lambda: list(DEFAULT_GUARDRAILS))
    thresholds: dict[str, Threshold] = field(default_factory=dict)
    cuped: CupedSettings = field(default_factory=CupedSettings)
    srm: SrmSettings = field(default_factory=SrmSettings)
    method: str = METHODS[0]
    alpha: float = DEFAULT_ALPHA
    sequential: SequentialSettings = field(default_factory=SequentialSettings)
    power: PowerSettings = field(default_factory=PowerSettings)
    bootstrap: BootstrapSettings = field(default_factory=BootstrapSettings)
    revenue_cap: float | None = None
    min_slice_users: int = 100
    min_valid_rate: float = 0.95
    decide: bool = True

    @property
    def arms(self) -> dict[str, float] | None:
        """The declared arms with their weights: those that are expected, or the control and its candidates, alike."""
        if self.srm.expected is not None:
            return self.srm.expected
        if self.control_variant is None or self.candidate_variants is None:
            return None
        return dict.fromkeys([self.control_variant, *self.candidate_variants], 1.0)

    def effective(self) -> dict[str, Any]:
        """The section in the form of the YAML, with every default written out."""
        return {
            "experiment_id": self.experiment_id,
            "control_variant": self.control_variant,
            "candidate_variant": self.candidate_variants,
            "scope": self.scope,
            "as_of": instant(self.as_of),
            "primary_metrics": list(self.primary_metrics),
            "primary_rule": self.primary_rule,
            "secondary_metrics": list(self.secondary_metrics),
            "guardrails": [rule.effective() for rule in self.guardrails],
            "thresholds": {name: threshold.effective() for name, threshold in self.thresholds.items()},
            "cuped": {"enabled": self.cuped.enabled, "covariate_key": self.cuped.covariate_key},
            "srm": {"enabled": self.srm.enabled, "alpha": self.srm.alpha, "expected": self.srm.expected},
            "multiple_comparisons": {"method": self.method, "alpha": self.alpha},
            "sequential": {
                "enabled": self.sequential.enabled,
                "horizon": instant(self.sequential.horizon),
                "planned_units": self.sequential.planned_units,
            },
            "power": {"effect": self.power.effect, "power": self.power.power},
            "bootstrap": {
                "replicates": self.bootstrap.replicates,
                "seed": self.bootstrap.seed,
                "buckets": self.bootstrap.buckets,
            },
            "revenue_cap": self.revenue_cap,
            "min_slice_users": self.min_slice_users,
            "min_valid_rate": self.min_valid_rate,
            "decision": {"enabled": self.decide},
        }


def spelt(value: float, *, relative: bool) -> float | str:
    """A number, or a share as ``20%``."""
    return f"{value * 100:.10g}%" if relative else value


def instant(value: datetime | None) -> str | None:
    """RFC 3339, as it is read."""
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")

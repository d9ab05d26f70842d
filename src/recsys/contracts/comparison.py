"""``comparison.v1``: the figures of the same logs under several attribution policies, and whether these agree.

It holds no identifiers of people or requests. Optional figures are ``null`` where they cannot be known.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from recsys.contracts.estimate import Estimate
from recsys.contracts.report import ExposureQuality, Fates, Input, Rates


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all parts share."""


class ArmDifference(_Part, frozen=True, kw_only=True):
    """The difference of one figure between two arms of an experiment, as ``label`` says, under one policy."""

    experiment_id: str
    metric: str
    label: str
    estimate: Estimate


class PolicyResult(_Part, frozen=True, kw_only=True):
    """What one policy makes of the logs. ``inferred``: whether the figures hold also what its fallback infers, which no
    fate and no rate does. ``status`` and ``reasons``: whether the figures can be relied on.

    ``figures``: by name. ``changes``: how much more a figure is than under the first policy, with the interval of a
    paired difference: the same users under both.
    """

    name: str
    policy: dict[str, Any]
    inferred: bool
    status: Literal["pass", "hold"]
    reasons: list[str]
    fates: Fates
    rates: Rates
    inferred_outcomes: int
    figures: dict[str, Estimate]
    changes: dict[str, Estimate] = field(default_factory=dict)
    effects: list[ArmDifference] = field(default_factory=list)


class Disagreement(_Part, frozen=True, kw_only=True):
    """What depends on the policy: ``about`` is ``status``, a figure, or an arm difference; ``policies`` are those that
    some other one of them disagrees with; ``told`` says it in words."""

    about: str
    policies: list[str]
    told: str


class Comparison(_Part, frozen=True, kw_only=True):
    """``comparison.v1``. ``agree``: all policies lead to the same conclusion. ``status``: ``hold`` where the figures of
    some policy cannot be relied on. The first policy is the one that the others are compared with."""

    schema_version: Literal["comparison.v1"] = "comparison.v1"
    version: str
    inputs: list[Input]
    exposures: ExposureQuality
    policies: list[PolicyResult]
    status: Literal["pass", "hold"]
    agree: bool
    verdict: str
    disagreements: list[Disagreement] = field(default_factory=list)
    method: str

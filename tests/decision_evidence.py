"""Evidence of decisions, for tests: everything speaks for a ship unless told otherwise."""

from datetime import UTC, datetime

from msgspec.structs import replace

from recsys.contracts.decision import Check, Decision, Effect, Guardrail, Measured, Rule
from recsys.contracts.estimate import Estimate

NOW = datetime(2026, 1, 20, tzinfo=UTC)


def level(value=0.1, n=10_000, units=5_000):
    return Estimate(value=value, n=n, units=units, low=None if value is None else value * 0.9, level=0.95)


def effect(low, high, *, value=None, bounded=True):
    """An effect with this interval, the relative one ten times as wide: the control is at 0.1."""
    value = (low + high) / 2 if value is None and low is not None else value
    times = [None if each is None else each * 10 for each in (value, low, high)]
    return Effect(
        value=value, low=low, high=high, relative=times[0], relative_low=times[1], relative_high=times[2],
        bounded=bounded, level=0.95, method="a sequence",
    )  # fmt: skip


def measured(low=0.01, high=0.03, *, metric="ctr", better="higher", **more):
    return Measured(
        metric=metric, words="clicks per exposure", better=better,
        **{"control": level(), "candidate": level(0.12), "effect": effect(low, high), "nonzero": {"A": 900, "B": 950},
           **more},
    )  # fmt: skip


def guardrail(low=-0.01, high=0.001, *, metric="error_rate", margin=0.005, **more):
    return Guardrail(
        metric=metric, words="share of lists that were an error", better="lower", margin=margin,
        value=None if low is None else (low + high) / 2, low=low, high=high, level=0.95,
        **{"control": level(0.001), "candidate": level(0.001), **more},
    )  # fmt: skip


def check(value=0.99, limit=0.95, sense="at least", name="match rate"):
    return Check(name=name, value=value, sense=sense, limit=limit, told=f"the {name} is {value}")


def rule(**more):
    found = Rule(sequence=True, may_ship=True, primary="all", alpha=0.05, alpha_each=0.05, candidates=1)
    return replace(found, **more)


def evidence(metrics=None, guardrails=None, integrity=None, needed=(), **of_rule):
    return Decision(
        decision="hold", reasons=[], experiment_id="exp-1", control="A", candidate="B", created_at=NOW, version="0",
        inputs_sha256="0" * 64, rule=rule(**of_rule), integrity=[check()] if integrity is None else integrity,
        metrics=[measured()] if metrics is None else metrics,
        guardrails=[guardrail()] if guardrails is None else guardrails, needed=list(needed),
    )  # fmt: skip

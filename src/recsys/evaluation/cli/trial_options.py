"""The options that say which experiments are looked at, and how."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from recsys.attribution.sources import Dataset
    from recsys.attribution.trial import TrialOptions

PANEL = "Experiments (where there is an assignment log)"
MAX_WEIGHT = 1e9


class ScopeName(StrEnum):
    """What an exposure needs to be in the experiment."""

    REQUEST = "request"
    USER = "user"


def _option(text: str) -> typer.models.OptionInfo:
    return typer.Option(help=text, rich_help_panel=PANEL)


ExperimentId = Annotated[str | None, _option("The experiment to look at [each one of the log].")]
Control = Annotated[str | None, _option("The arm that the others are compared with [the first in order].")]
Scope = Annotated[
    ScopeName | None,
    _option("request: an exposure needs an assignment row of its own; user: its user's is enough [request]."),
]
AsOf = Annotated[
    str | None,
    _option(
        "Look at nothing in an experiment later than this RFC 3339 instant, nor at lists whose window was open then."
    ),
]
Arms = Annotated[
    list[str] | None,
    typer.Option(
        "--arm", help="An arm that there should be, as NAME or NAME=WEIGHT; may be repeated [those seen, equal].",
        rich_help_panel=PANEL,
    ),
]  # fmt: skip
NAMES = ("experiment_id", "control", "scope", "as_of", "arm")
"""The options, as parameters of a command."""


def chosen(given: Mapping[str, Any], named: Dataset) -> TrialOptions:
    """The options that are ``given`` (not None); UsageError where there is no assignment log that they could be about,
    or a value that is none."""
    from recsys.attribution.trial import TrialOptions
    from recsys.errors import UsageError

    told = {key: value for key, value in given.items() if value is not None}
    if told and named.assignments is None:
        option = f"--{next(iter(told)).replace('_', '-')}"
        raise UsageError(f"{option} is about an experiment, and there is no assignment log", hint="Give --assignments.")
    if "arm" in told and "experiment_id" not in told:
        raise UsageError("--arm says which arms an experiment should have", hint="Name it with --experiment-id.")
    if "as_of" in told:
        told["as_of"] = instant(told["as_of"], "--as-of")
    if "scope" in told:
        told["scope"] = told["scope"].value
    if "arm" in told:
        told["arms"] = _arms(told.pop("arm"), "--arm")
    return TrialOptions(**told)


def instant(text: str, where: str) -> datetime:
    """The instant of an option; UsageError where it is none."""
    from recsys.contracts.types import TIMESTAMP_PATTERN
    from recsys.errors import UsageError

    if not re.fullmatch(TIMESTAMP_PATTERN, text):
        raise UsageError("not an instant", where=where, found=repr(text)[:60], expected="such as 2026-02-05T10:00:00Z")
    return datetime.fromisoformat(text.upper()).astimezone(UTC)


def _arms(words: Sequence[str], where: str) -> dict[str, float]:
    """``A=9``, ``B=1``: weights by arm; an arm alone has the weight 1."""
    from recsys.errors import UsageError

    found: dict[str, float] = {}
    for word in words:
        name, sign, weight = word.rpartition("=")
        if not sign:
            name, weight = word, "1"
        try:
            value = float(weight)
        except ValueError:
            value = 0.0
        if not name or not 1 / MAX_WEIGHT <= value <= MAX_WEIGHT:
            raise UsageError("not an arm with its weight", where=where, found=repr(word)[:60], expected="such as A=9")
        if name in found:
            raise UsageError("the arm is named twice", where=where, found=repr(name)[:60])
        found[name] = value
    return found

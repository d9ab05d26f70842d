"""The options of ``run`` that say which experiment is evaluated, and how far; they replace what the YAML says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsys.evaluation.cli import trial_options

if TYPE_CHECKING:
    from recsys.evaluation.config import EvaluationConfig

NAMES = ("experiment_id", "control", "candidate", "as_of")
PANEL = "Experiment (mode experiment and aa-check)"


def _option(text: str) -> typer.models.OptionInfo:
    return typer.Option(help=text, rich_help_panel=PANEL)


ExperimentId = Annotated[str | None, _option("The experiment to evaluate [the one of the log].")]
Control = Annotated[str | None, _option("The arm that the others are compared with [the YAML's control_variant].")]
Candidates = Annotated[
    list[str] | None, _option("An arm to compare with the control; may be repeated [every other arm].")
]
AsOf = Annotated[
    str | None, _option("Look at nothing later than this RFC 3339 instant, nor at lists whose window was open then.")
]


def applied(config: EvaluationConfig, **given: Any) -> EvaluationConfig:
    """The configuration with the options that are given; UsageError where the mode has no use for one."""
    from msgspec.structs import replace

    from recsys.errors import UsageError
    from recsys.evaluation.experiment import read_settings

    told = {key: value for key, value in given.items() if value}
    if not told:
        return config
    if config.mode == "offline":
        option = f"--{next(iter(told)).replace('_', '-')}"
        hint = "Give --mode experiment, or leave it out."
        raise UsageError(f"{option} is about an experiment, and the mode is offline", hint=hint)
    names = {"control": "control_variant", "candidate": "candidate_variants"}
    if "as_of" in told:
        told["as_of"] = trial_options.instant(told["as_of"], "--as-of")
    chosen = replace(config.experiment, **{names.get(key, key): value for key, value in told.items()})
    read_settings.check_arms(chosen)
    return replace(config, experiment=chosen)

"""``recsys-eval join --compare``: figures under several policies, and whether they agree."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recsys import console
from recsys.errors import UsageError
from recsys.evaluation.cli import options

if TYPE_CHECKING:
    from recsys.attribution.engine.choice import EngineChoice
    from recsys.attribution.policy import Policy
    from recsys.attribution.sources import Dataset
    from recsys.attribution.trial import TrialOptions
    from recsys.contracts.comparison import Comparison

SUFFIXES = (".json", ".md")
PANEL = "Comparison of policies"
Compare = Annotated[
    bool,
    typer.Option(
        "--compare", help="Figures under several policies at once, and whether they agree.", rich_help_panel=PANEL
    ),
]
Policies = Annotated[
    str | None,
    typer.Option(help="YAML with the policies to compare, in place of the usual four.", rich_help_panel=PANEL),
]


def asked(
    *, compare: bool, policies: str | None, slice_keys: list[str] | None, output: Path | None
) -> Callable[[Policy], dict[str, Policy]] | None:
    """What makes of the chosen policy those to compare; None where no comparison is asked for. UsageError for options
    that say nothing of a comparison, or without one, and for an output that it cannot be."""
    from recsys.attribution import policy_sets

    if not compare:
        if policies is not None:
            raise UsageError("--policies goes with --compare", hint="Give both, or neither.")
        return None
    if slice_keys:
        hint = "Compare the logs of one slice, or join under one policy to see the slices."
        raise UsageError("--slice-key says nothing beside --compare", found=", ".join(slice_keys), hint=hint)
    _check_output(output)
    return policy_sets.usual if policies is None else partial(policy_sets.read, policies)


def _check_output(output: Path | None) -> None:
    """What can be said of the output before the logs are read."""
    from recsys.eventlog import whole

    if output is None:
        return
    whole.check_output(output)
    if output.suffix not in SUFFIXES:
        raise UsageError(
            "a comparison is written as JSON or Markdown", where=str(output), found=output.suffix,
            expected=" or ".join(SUFFIXES), hint="The joined outcomes are those of one policy: leave out --compare.",
        )  # fmt: skip


def compare(
    named: Dataset, policies: dict[str, Policy], trial: TrialOptions, engine: EngineChoice, output: Path | None,
    form: options.Format,
) -> int:  # fmt: skip
    """Compare, print, write, and say in the exit status whether there is one conclusion to rely on."""
    from recsys.evaluation import compare as comparing
    from recsys.evaluation import render
    from recsys.eventlog import whole

    with console.progress("checking") as on_progress:
        done = comparing.compare(named, policies, trial, engine=engine, on_progress=on_progress)
    found = done.comparison
    if output is not None:
        whole.check_output(output, [part.path for part in found.inputs])
        render.write(_text(found, output.suffix), output)
    sys.stdout.write(_text(found, ".json" if form is options.Format.JSON else ""))
    options.tell_faults(done.faults, sum(part.invalid for part in found.inputs))
    for result in found.policies:
        for reason in result.reasons:
            sys.stderr.write(f"recsys-eval: hold: {result.name}: {reason}\n")
    for each in found.disagreements:
        sys.stderr.write(f"recsys-eval: depends on the policy: {each.told}\n")
    return 0 if found.agree and found.status == "pass" else options.HOLD


def _text(found: Comparison, suffix: str) -> str:
    if suffix == ".json":
        import msgspec

        return msgspec.json.format(msgspec.json.encode(found)).decode() + "\n"
    from recsys.evaluation.render import comparison_markdown, comparison_text

    return comparison_markdown.render(found) if suffix == ".md" else comparison_text.render(found)

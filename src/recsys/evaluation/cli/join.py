"""``recsys-eval join``: the fate of every outcome, and the rates."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsys import console
from recsys.evaluation.cli import engine_options, join_compare, options, policy_options, trial_options

if TYPE_CHECKING:
    from recsys.attribution.engine.choice import EngineChoice
    from recsys.attribution.policy import Policy
    from recsys.attribution.sources import Dataset
    from recsys.attribution.trial import TrialOptions
    from recsys.contracts.report import DataQuality
    from recsys.evaluation.trials import Looked

Output = Annotated[
    Path | None,
    typer.Option(help="Each outcome with its fate, as .parquet; with --compare the comparison, as .json or .md."),
]


def join(
    exposures: options.Exposures = None,
    outcomes: options.Outcomes = None,
    assignments: options.Assignments = None,
    dataset: options.DatasetFile = None,
    slice_key: options.SliceKeys = None,
    config: policy_options.Config = None,
    policy: policy_options.Preset = None,
    tolerance: policy_options.Tolerance = None,
    click_window: policy_options.ClickWindow = None,
    conversion_window: policy_options.ConversionWindow = None,
    not_in_list: policy_options.NotInList = None,
    user_mismatch: policy_options.UserMismatch = None,
    touch: policy_options.Touch = None,
    fallback: policy_options.Fallback = None,
    credit: policy_options.Credit = None,
    fallback_window: policy_options.FallbackWindow = None,
    min_match_rate: policy_options.MinMatchRate = None,
    max_lost_rate: policy_options.MaxLostRate = None,
    experiment_id: trial_options.ExperimentId = None,
    control: trial_options.Control = None,
    scope: trial_options.Scope = None,
    as_of: trial_options.AsOf = None,
    arm: trial_options.Arms = None,
    engine: engine_options.Engine = None,
    master: engine_options.Master = None,
    memory_limit: engine_options.MemoryLimit = None,
    threads: engine_options.Threads = None,
    compare: join_compare.Compare = False,
    policies: join_compare.Policies = None,
    output: Output = None,
    format: options.OutputFormat = options.Format.TEXT,
) -> int:
    """Join outcomes to exposures by request_id: one fate for each, and the valid, match, attribution and join rates.

    Where there is an assignment log, also who counts in each experiment, the figures by arm and their differences.

    Exits 2 when there is nothing to join, the match rate is under its minimum, or too much is known to be lost; and
    when over 1 % of an experiment's units are in two arms, its arms do not have the units that they should (p < 0.001,
    or an arm is absent or was not declared), or no assignment is valid; with --compare also when the conclusion
    depends on the policy.

    **Examples**

        recsys-eval join --exposures exposures.jsonl --outcomes outcomes.jsonl
        recsys-eval join --dataset logs.yaml --click-window 1h --output joined.parquet
        recsys-eval join --dataset logs.yaml --compare --output comparison.md
        recsys-eval join --dataset logs.yaml --experiment-id exp-1 --control A --arm A=9 --arm B=1
        recsys-eval join --dataset logs.yaml --engine spark --master yarn
    """
    return _asked(locals())


def _asked(told: Mapping[str, Any]) -> int:
    """What the options ask for, ``told`` by name."""
    from recsys.attribution import sources

    given, tried = ({key: told[key] for key in part.NAMES} for part in (policy_options, trial_options))
    output, slice_keys = told["output"], told["slice_key"]
    several = join_compare.asked(
        compare=told["compare"], policies=told["policies"], slice_keys=slice_keys, output=output
    )
    if output is not None and several is None:
        _check_parquet(output)
    policy, keys = policy_options.chosen(told["config"], given)
    engine = engine_options.chosen(*(told[key] for key in engine_options.NAMES))
    named = sources.from_options(told["exposures"], told["outcomes"], told["assignments"], told["dataset"])
    trial = trial_options.chosen(tried, named)
    if several is not None:
        return join_compare.compare(named, several(policy), trial, engine, output, told["format"])
    return _join(named, policy, trial, engine, slice_keys or keys, output, told["format"])


def _join(
    named: Dataset, policy: Policy, trial: TrialOptions, engine: EngineChoice, keys: list[str], output: Path | None,
    form: options.Format,
) -> int:  # fmt: skip
    from recsys.attribution import join as joining
    from recsys.attribution import quality
    from recsys.attribution.opening import joined_logs
    from recsys.evaluation import integrity, trials
    from recsys.eventlog.whole import check_output

    with (
        console.progress("checking") as on_progress,
        joined_logs(named, policy, slice_keys=keys, engine=engine, on_progress=on_progress) as joined,
    ):
        accepted, found = joined.dataset, quality.data_quality(joined)
        if output is not None:
            check_output(output, [part.path for part in accepted.inputs])
        looked = trials.look(joined, trial)
        if output is not None:
            joining.write_parquet(joined, output)
    _print(found, looked, form)
    options.tell_faults(accepted.faults, sum(part.invalid for part in accepted.inputs))
    reasons = [*integrity.reasons_to_hold(found, policy), *looked.reasons]
    for reason in reasons:
        sys.stderr.write(f"recsys-eval: hold: {reason}\n")
    return options.HOLD if reasons else 0


def _check_parquet(output: Path) -> None:
    """What can be said of the output before the logs are read."""
    from recsys.errors import UsageError
    from recsys.eventlog.whole import check_output

    check_output(output)
    if output.suffix != ".parquet":
        raise UsageError(
            "the joined outcomes are written as Parquet", where=str(output), found=output.suffix, expected=".parquet",
            hint="For the rates in a file: --format json > rates.json.",
        )  # fmt: skip


def _print(found: DataQuality, looked: Looked, form: options.Format) -> None:
    import msgspec

    from recsys.evaluation import quality_text

    if form is options.Format.JSON:
        document = {**msgspec.structs.asdict(found), **looked.document()}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(document)).decode() + "\n")
    else:
        sys.stdout.write(quality_text.render(found) + looked.text())

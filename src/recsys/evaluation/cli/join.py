"""``recsys-eval join``: the fate of every outcome, and the rates."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recsys import console
from recsys.evaluation.cli import options, policy_options

if TYPE_CHECKING:
    from recsys.attribution.policy import Policy
    from recsys.attribution.sources import Dataset
    from recsys.contracts.report import DataQuality


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
    output: Annotated[Path | None, typer.Option(help="Write each outcome with its fate to this Parquet file.")] = None,
    format: options.OutputFormat = options.Format.TEXT,
) -> int:
    """Join outcomes to exposures by request_id: one fate for each, and the valid, match, attribution and join rates.

    Exits 2 when there is nothing to join, the match rate is under its minimum, or too much is known to be lost.

    **Examples**

        recsys-eval join --exposures exposures.jsonl --outcomes outcomes.jsonl
        recsys-eval join --dataset logs.yaml --click-window 1h --output joined.parquet
    """
    from recsys.attribution import sources

    given = {key: value for key, value in locals().items() if key in policy_options.NAMES}
    if output is not None:
        _check_parquet(output)
    chosen, keys = policy_options.chosen(config, given)
    named = sources.from_options(exposures, outcomes, assignments, dataset)
    return _join(named, chosen, slice_key or keys, output, format)


def _join(named: Dataset, policy: Policy, keys: list[str], output: Path | None, form: options.Format) -> int:
    from recsys.attribution import join as joining
    from recsys.attribution import quality
    from recsys.attribution.opening import joined_logs
    from recsys.evaluation import integrity, quality_text
    from recsys.eventlog.whole import check_output

    with (
        console.progress("checking") as on_progress,
        joined_logs(named, policy, slice_keys=keys, on_progress=on_progress) as joined,
    ):
        accepted, found = joined.dataset, quality.data_quality(joined)
        if output is not None:
            check_output(output, [part.path for part in accepted.inputs])
            joining.write_parquet(joined, output)
    _print(found, form, quality_text.render)
    options.tell_faults(accepted.faults, sum(part.invalid for part in accepted.inputs))
    reasons = integrity.reasons_to_hold(found, policy)
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


def _print(found: DataQuality, form: options.Format, as_text) -> None:  # noqa: ANN001 - a function of quality_text
    import msgspec

    if form is options.Format.JSON:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
    else:
        sys.stdout.write(as_text(found))

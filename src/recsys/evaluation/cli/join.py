"""``recsys-eval join``: the fate of every outcome, and the rates."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recsys import console
from recsys.evaluation.cli import options

if TYPE_CHECKING:
    from recsys.contracts.report import DataQuality


def join(
    exposures: options.Exposures = None,
    outcomes: options.Outcomes = None,
    assignments: options.Assignments = None,
    dataset: options.DatasetFile = None,
    slice_key: options.SliceKeys = None,
    tolerance: Annotated[str, typer.Option(help="How much earlier than its exposure an outcome may be.")] = "5s",
    click_window: Annotated[str | None, typer.Option(help="How late a click may be, such as 1h [no limit].")] = None,
    conversion_window: Annotated[str | None, typer.Option(help="The same for conversions, such as 7d.")] = None,
    min_match_rate: Annotated[float, typer.Option(min=0, max=1, help="Under it the exit status is 2.")] = 0.95,
    max_lost_rate: Annotated[
        float, typer.Option(min=0, max=1, help="The share of records known to be lost beyond which it is 2 too.")
    ] = 0.01,
    output: Annotated[Path | None, typer.Option(help="Write each outcome with its fate to this Parquet file.")] = None,
    format: options.OutputFormat = options.Format.TEXT,
) -> int:
    """Join outcomes to exposures by request_id: eight fates, and the valid, match, attribution and join rates.

    Exits 2 when there is nothing to join, the match rate is under its minimum, or too much is known to be lost.

    **Examples**

        recsys-eval join --exposures exposures.jsonl --outcomes outcomes.jsonl
        recsys-eval join --dataset logs.yaml --click-window 1h --output joined.parquet
    """
    from recsys.attribution import join as joining
    from recsys.attribution import quality, sources
    from recsys.attribution.opening import joined_logs
    from recsys.attribution.policy import Policy, duration
    from recsys.evaluation import integrity, quality_text
    from recsys.eventlog.whole import check_output

    if output is not None:
        _check_parquet(output)
    windows = {"click": click_window, "conversion": conversion_window}
    policy = Policy(
        tolerance_s=duration(tolerance, where="--tolerance"),
        windows_s={
            kind: None if text is None else duration(text, where=f"--{kind}-window") for kind, text in windows.items()
        },
        min_match_rate=min_match_rate,
        max_lost_rate=max_lost_rate,
    )
    named = sources.from_options(exposures, outcomes, assignments, dataset)
    keys = slice_key or sources.DEFAULT_SLICE_KEYS
    with (
        console.progress("checking") as on_progress,
        joined_logs(named, policy, slice_keys=keys, on_progress=on_progress) as joined,
    ):
        accepted, found = joined.dataset, quality.data_quality(joined)
        if output is not None:
            check_output(output, [part.path for part in accepted.inputs])
            joining.write_parquet(joined, output)
    _print(found, format, quality_text.render)
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

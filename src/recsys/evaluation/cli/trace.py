"""``recsys-eval trace``: everything that the logs know of one request."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recsys import console
from recsys.evaluation.cli import options, policy_options

if TYPE_CHECKING:
    from recsys.attribution.sources import Dataset
    from recsys.attribution.trace.trace import Asked
    from recsys.contracts.snapshot import Snapshot


def trace(
    request_id: Annotated[str, typer.Argument(help="The id, as the answer's `X-Request-Id` gave it.")],
    exposures: options.Exposures = None,
    outcomes: options.Outcomes = None,
    assignments: options.Assignments = None,
    dataset: options.DatasetFile = None,
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
    snapshot: Annotated[
        Path | None, typer.Option(help="What `recsys-service snapshot` exported: adds what the list was ranked by.")
    ] = None,
    around: Annotated[
        str, typer.Option(help="How long before and after it its subject is followed; 0s for not at all.")
    ] = "30m",
    format: options.OutputFormat = options.Format.TEXT,
) -> int:
    """Show one request: its list and versions, what happened to each item, all rows with its id, its subject around it.

    Exits 0 when an exposure has the id, 2 when none has.

    **Examples**

        recsys-eval trace req-1 --exposures exposures.jsonl --outcomes outcomes.jsonl
        recsys-eval trace req-1 --dataset logs.yaml --snapshot snapshot.json --format json
    """
    from recsys.attribution import sources
    from recsys.attribution.policy import duration
    from recsys.attribution.trace.trace import Asked

    given = {key: value for key, value in locals().items() if key in policy_options.NAMES}
    chosen, keys = policy_options.chosen(config, given)
    asked = Asked(
        request_id=request_id,
        policy=chosen,
        slice_keys=tuple(keys),
        around_s=duration(around, where="--around"),
        snapshot=None if snapshot is None else (str(snapshot), _snapshot(snapshot)),
    )
    return _trace(sources.from_options(exposures, outcomes, assignments, dataset), asked, format)


def _trace(named: Dataset, asked: Asked, form: options.Format) -> int:
    from datetime import UTC, datetime

    import msgspec

    from recsys.attribution.trace.trace import trace as traced
    from recsys.evaluation.render import trace_text

    with console.progress("searching") as on_progress:
        made = traced(named, asked, datetime.now(UTC), on_progress)
    if form is options.Format.JSON:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(made)).decode() + "\n")
    else:
        sys.stdout.write(trace_text.render(made))
    return 0 if made.status == "found" else options.HOLD


def _snapshot(path: Path) -> Snapshot:
    from recsys.contracts import snapshot as snapshots
    from recsys.errors import InputError

    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError("cannot be read", where=str(path), found=error.strerror or str(error)) from None
    return snapshots.parse(raw, where=str(path))

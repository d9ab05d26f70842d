"""The quality of two logs as text for a terminal."""

from __future__ import annotations

from io import StringIO

from rich import box
from rich.console import Console
from rich.table import Table

from recsys.contracts.report import DataQuality, Fates, KnownGap, Rate, SliceQuality
from recsys.text import printable
from recsys.text import slice_value as slice_value

FATE_WORDS = {
    "invalid": "refused by validation",
    "duplicate": "the same event again",
    "orphan": "no exposure has this request_id",
    "ambiguous": "several lists under this request_id",
    "not_in_list": "the item was not in the list",
    "before_exposure": "earlier than its exposure",
    "after_window": "later than its window",
    "user_mismatch": "of another user than its exposure",
    "later_touch": "after the first of its request, item and type",
    "attributed": "counted",
}
POLICY_FATES = ("user_mismatch", "later_touch")
"""Fates that only some policies give: shown where there are any."""
MAX_ROWS = 60
MAX_GAPS = 20
WIDTH = 120


def render(quality: DataQuality) -> str:
    """Fates, rates, and the rates of every day, event type and slice."""
    out = StringIO()
    console = Console(file=out, width=WIDTH, highlight=False, markup=False)
    exposures = quality.exposures
    console.print(
        f"exposures  {exposures.rows:,} rows: {exposures.invalid:,} invalid, {exposures.redelivered:,} redelivered, "
        f"{exposures.distinct:,} distinct; {exposures.impressions:,} impressions, {exposures.users:,} users"
    )
    for line in gaps(quality):
        console.print(f"gap        {line}")
    if quality.aliases:
        console.print(f"aliases    {quality.aliases:,} pseudonyms of an earlier salt are taken for their present ones")
    console.print(_fates(quality.fates))
    if quality.inferred_outcomes:
        console.print(f"inferred   {inferred(quality)}")
    console.print(_rates(quality))
    console.print(_by(quality.by[:MAX_ROWS]))
    if len(quality.by) > MAX_ROWS:
        console.print(f"… {len(quality.by) - MAX_ROWS:,} more rows: --format json has them all")
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def gaps(quality: DataQuality) -> list[str]:
    """Each gap in a line; long lists are cut, and say so."""
    told = [gap_line(gap) for gap in quality.gaps[:MAX_GAPS]]
    more = len(quality.gaps) - MAX_GAPS
    return [*told, f"… {more:,} more gaps are in the JSON"] if more > 0 else told


def gap_line(gap: KnownGap) -> str:
    """A gap: how much of which log, when, why, and where that is written."""
    counts = ((gap.lost, "lost"), (gap.refused, "refused"))
    told = ", ".join(f"{count:,} {what}" for count, what in counts if count)
    when = f"{gap.first:%Y-%m-%d %H:%M:%S} to {gap.last:%Y-%m-%d %H:%M:%S} UTC"
    return f"{gap.log}: {told}, {when}: {printable(gap.reason)} ({printable(gap.file)})"


def percent(rate: Rate) -> str:
    """A rate in percent, rounded so that only a whole 100 % is printed as such."""
    if rate.value is None:
        return "—"
    shown = f"{rate.value:.2%}"
    if shown == "100.00%" and rate.numerator < rate.denominator:
        return "99.99…%"
    return "0.00…%" if shown == "0.00%" and rate.numerator else shown


def fate_rows(fates: Fates) -> list[tuple[str, int, str]]:
    """Each fate that the policy can give, or gave: its name, its rows, what it means."""
    counted = [(name, getattr(fates, name), meaning) for name, meaning in FATE_WORDS.items()]
    return [(name, count, meaning) for name, count, meaning in counted if count or name not in POLICY_FATES]


def inferred(quality: DataQuality) -> str:
    """What the policy's fallback did, in words; nothing where it did nothing."""
    if not quality.inferred_outcomes:
        return ""
    return (
        f"{quality.inferred_outcomes:,} of {quality.fates.orphan:,} orphans are credited to a list of the same user "
        "that held the item: an inference, counted in |inferred figures only"
    )


def _fates(fates: Fates) -> Table:
    table = Table(box=box.SIMPLE, title="Fates of the outcomes", title_justify="left")
    table.add_column("fate")
    table.add_column("rows", justify="right")
    table.add_column("meaning")
    for name, count, meaning in fate_rows(fates):
        table.add_row(name, f"{count:,}", meaning)
    table.add_section()
    table.add_row("rows read", f"{fates.rows:,}", "the sum of the fates")
    return table


def _rates(quality: DataQuality) -> Table:
    rates = quality.rates
    table = Table(box=box.SIMPLE, title="Rates", title_justify="left")
    table.add_column("rate")
    table.add_column("value", justify="right")
    table.add_column("of", justify="right")
    table.add_column("meaning")
    for name, rate, meaning in (
        ("valid", rates.valid, "outcome rows that obey the contract"),
        ("match", rates.match, "outcomes that found their exposure: integrity"),
        ("attribution", rates.attribution, "outcomes that count"),
        ("join", rates.join, "exposures with an outcome: a response rate, not integrity"),
    ):
        table.add_row(name, percent(rate), f"{rate.numerator:,} / {rate.denominator:,}", meaning)
    return table


def _by(slices: list[SliceQuality]) -> Table:
    table = Table(box=box.SIMPLE, title="By day, event type and slice", title_justify="left")
    for name in ("key", "value", "exposures", "outcomes", "match", "attribution", "join"):
        table.add_column(name, justify="left" if name in {"key", "value"} else "right")
    for part in slices:
        table.add_row(
            part.key, slice_value(part.value), f"{part.exposures:,}", f"{part.fates.rows:,}", percent(part.rates.match),
            percent(part.rates.attribution), percent(part.rates.join),
        )  # fmt: skip
    return table

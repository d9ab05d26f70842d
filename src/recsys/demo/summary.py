"""What the demo tells at its end: a few figures and where to read on."""

from __future__ import annotations

import statistics

from rich.console import Console
from rich.table import Table

from recsys.contracts.decision import Decision
from recsys.contracts.report import Estimate, Rate, Report
from recsys.demo.experiment import CONTROL, EXPERIMENT
from recsys.demo.run import Demo


def show(demo: Demo, console: Console) -> None:
    """Print the integrity of the logs, the metrics, the speed as the client saw it, and the files."""
    quality = demo.report.data_quality
    sent = demo.traffic
    console.print(f"\nrequests sent   {sent.requests:>9,}   exposures logged {quality.exposures.distinct:,}")
    console.print(f"outcomes sent   {sent.outcomes:>9,}   attributed       {quality.fates.attributed:,}")
    console.print(f"match rate      {_percent(quality.rates.match):>9}   outcomes that found their exposure")
    console.print(f"join rate       {_percent(quality.rates.join):>9}   exposures with at least one outcome")
    console.print(_table(demo.report))
    slow = statistics.quantiles(sent.latencies_ms, n=100)[98] if len(sent.latencies_ms) > 1 else float("nan")
    console.print(
        f"HTTP as the shoppers saw it: {sent.requests / sent.seconds:,.0f} requests/s, "
        f"median {statistics.median(sent.latencies_ms):.1f} ms, p99 {slow:.1f} ms (client and service on one machine)"
    )
    console.print(f"\nThe experiment {EXPERIMENT}, each arm against {CONTROL}:")
    for decision in demo.decisions:
        console.print(decided(decision), soft_wrap=True, highlight=False, markup=False)
    console.print(
        f"\nThe whole demo took {demo.seconds:.0f} s. Read {demo.out / 'report.html'}, and on the experiment "
        f"{demo.out / 'experiment.html'}."
    )


def decided(decision: Decision) -> str:
    """``better  SHIP      ctr +0.6 (+74 %) ...``: an arm with the first of its reasons."""
    first = decision.reasons[0] if decision.reasons else "no reason was given"
    return f"  {decision.candidate:<8}{decision.decision.upper():<10}{first}"


def _percent(rate: Rate) -> str:
    return "—" if rate.value is None else f"{rate.value:.1%}"


def _table(report: Report) -> Table:
    table = Table(title="Metrics over all exposures", title_justify="left")
    for heading in ("metric", "value", "95 % interval"):
        table.add_column(heading, justify="left" if heading == "metric" else "right")
    for result in report.results:
        if not result.slice_key:
            table.add_row(result.metric, _figure(result.estimate.value), _interval(result.estimate))
    return table


def _figure(value: float | None) -> str:
    return "unavailable" if value is None else f"{value:.4f}"


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return "—"
    return f"{estimate.low:.4f} … {estimate.high:.4f}"

"""The report as Markdown that fits a pull request: verdict, integrity, metrics, slices, where it came from."""

from __future__ import annotations

import re

from recsys.contracts.report import Report
from recsys.evaluation.render import position_words, words

MAX_SLICE_VALUES = 20
GAPS_TOLD = "Known to be in no log:"


def render(report: Report) -> str:
    """The whole report; long lists of slices are cut, and say so."""
    if report.mode != "offline":
        from recsys.evaluation.render import aa_check_markdown, experiment_markdown

        return (experiment_markdown if report.mode == "experiment" else aa_check_markdown).render(report)
    from recsys.evaluation.render import compared_markdown

    blocks = [
        f"# Offline evaluation\n\n**{words.verdict(report)}** {cell(report.summary.headline)}",
        "\n".join(f"- {cell(reason)}" for reason in report.summary.reasons),
        *compared_markdown.gates(report.gates),
        _integrity(report),
        _metrics(report),
        *([] if report.comparison is None else compared_markdown.section(report.comparison)),
        _position(report),
        *_slices(report),
        _warnings(report),
        _origin(report),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def cell(text: str) -> str:
    """Text that cannot break out of a table or be read as HTML."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("\\", "\\\\").replace("|", "\\|").replace("`", "\\`").replace("\n", " ").replace("\r", " ")


def code(text: str) -> str:
    """Text of a log or a file's name as code, in which Markdown sees no link, picture, mention or tag."""
    shown = words.printable(text).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    return f"{fence} {shown} {fence}" if "`" in shown else f"`{shown}`"


def table(headings: list[str], align: str, rows: list[list[str]]) -> str:
    """``align``: one of ``l`` and ``r`` for each column."""
    marks = [":---" if side == "l" else "---:" for side in align]
    lines = [headings, marks, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _integrity(report: Report) -> str:
    quality = report.data_quality
    rates = quality.rates
    exposures = quality.exposures
    told = (
        f"{exposures.rows:,} exposure rows: {exposures.invalid:,} invalid, {exposures.redelivered:,} redelivered, "
        f"{exposures.distinct:,} distinct, with {exposures.impressions:,} impressions for {exposures.users:,} users."
    )
    rows = [
        ["match rate", words.percent(rates.match), words.of(rates.match), "outcomes that found their exposure"],
        ["attribution rate", words.percent(rates.attribution), words.of(rates.attribution), "outcomes that count"],
        ["valid rate", words.percent(rates.valid), words.of(rates.valid), "outcome rows that obey the contract"],
        ["join rate", words.percent(rates.join), words.of(rates.join), "exposures with an outcome (a response rate)"],
    ]
    fates = [
        [name, f"{getattr(quality.fates, name):,}", meaning]
        for name, meaning in words.FATE_WORDS.items()
        if getattr(quality.fates, name) or name == "attributed"
    ]
    gaps = "\n".join(f"- {cell(gap)}" for gap in words.gaps(quality))
    return "\n\n".join(
        (
            "## Can the logs be believed?",
            told,
            *([f"{GAPS_TOLD}\n\n{gaps}"] if gaps else []),
            table(["rate", "value", "of", "meaning"], "lrrl", rows),
            table(["fate of the outcome", "rows", "meaning"], "lrl", fates),
            *([cell(f"{words.inferred(quality)}.")] if quality.inferred_outcomes else []),
        )
    )


def _metrics(report: Report) -> str:
    rows = [
        [
            cell(result.metric), words.number(result.estimate.value), words.interval(result.estimate),
            f"{result.estimate.n:,}", "" if result.estimate.units is None else f"{result.estimate.units:,}",
            cell(result.estimate.note),
        ]
        for result in words.headline_results(report)
    ]  # fmt: skip
    told = (
        f"The mean is over all exposures; `|responded` is over those with a clicked or bought item{words.also(report)}."
    )
    listed = table(["metric", "value", f"{words.level(report)} interval", "n", "users", "note"], "lrrrrl", rows)
    return f"## Metrics\n\n{told}\n\n{listed}"


def _position(report: Report) -> str:
    bias = report.position_bias
    if bias is None:
        return ""
    told = "## Position bias\n\n" + cell(" ".join(position_words.sentences(bias)))
    if not bias.points:
        return told
    return f"{told}\n\n{table(list(position_words.HEADINGS), 'rrrrrl', position_words.rows(bias))}"


def _slices(report: Report) -> list[str]:
    blocks = []
    for key, values, metrics, found in words.slices(report):
        rows = [
            [
                code(words.slice_value(value)),
                *(words.number(e.value if (e := found.get((value, metric))) else None) for metric in metrics),
            ]
            for value in values[:MAX_SLICE_VALUES]
        ]
        more = f"\n\n{len(values) - MAX_SLICE_VALUES:,} more values are in the JSON report."
        listed = table([cell(key), *map(cell, metrics)], "l" + "r" * len(metrics), rows)
        blocks.append(f"## By {cell(key)}\n\n{listed}{more if len(values) > MAX_SLICE_VALUES else ''}")
    return blocks


def _warnings(report: Report) -> str:
    if not report.warnings:
        return ""
    return "## Notes\n\n" + "\n".join(f"- {cell(warning)}" for warning in report.warnings)


def _origin(report: Report) -> str:
    rows = [
        [part.role, code(part.path), f"{part.rows:,}", f"{part.invalid:,}", f"`{part.sha256[:12]}`"]
        for part in report.inputs
    ]
    told = f"Run {report.run_id}, {report.created_at:%Y-%m-%d %H:%M:%S} UTC, recsys-suite {report.version}."
    return f"## Where it came from\n\n{told}\n\n" + table(
        ["input", "file", "rows", "invalid", "sha-256"], "llrrl", rows
    )

"""An experiment as Markdown that fits a pull request: verdict, reasons, what decides, and what does not hold."""

from __future__ import annotations

import re
from collections.abc import Iterator

from recsys.contracts.experiment import Candidate, ExperimentReport
from recsys.contracts.report import Report
from recsys.evaluation.render import experiment_logs as logs
from recsys.evaluation.render import experiment_tables as tables
from recsys.evaluation.render import experiment_terms as terms
from recsys.evaluation.render import experiment_words as words
from recsys.evaluation.render import words as shared
from recsys.evaluation.render.cells import FAIL, Cell, Cells, Name, Result
from recsys.evaluation.render.markdown import cell, code, table
from recsys.text import printable

MAX_SLICES = 10
_LINK = re.compile(r"([\[\]*])")
_MENTION = re.compile(r"(?<!\w)@(?=\w)")
_ADDRESS = re.compile(r"(?i)(:)//|\b(www)\.")


def render(report: Report) -> str:
    """The whole report; what is longer is in the other formats, and it says so."""
    found = report.experiment
    blocks = [f"# {_title(report)}", prose(report.summary.headline)]
    if found is None or not found.candidates:
        blocks += [f"**{report.summary.status.upper()}**", _list(report.summary.reasons)]
    else:
        blocks += [block for each in found.candidates for block in _verdict(report, each)]
    candidates = [] if found is None else found.candidates
    several = len(candidates) > 1
    blocks += [block for place, each in enumerate(candidates) for block in _deciding(each, place, several=several)]
    blocks += _integrity(report)
    blocks += [block for each in candidates for block in _describing(each, several=several)]
    blocks += [] if found is None else _power(found)
    notes = words.notes(report)
    blocks += [*(["## Notes", _list(notes)] if notes else []), origin(report)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def prose(text: str) -> str:
    """Text of ours that may hold names of a log: no tag, table, link, picture or mention comes of it."""
    escaped = _LINK.sub(r"\\\1", cell(printable(text)))
    escaped = _ADDRESS.sub(lambda found: f"{found[1] or found[2]}\\{found[0][len(found[1] or found[2]) :]}", escaped)
    return _MENTION.sub("@\u2060", escaped)


def name(text: str) -> str:
    """What others named, in a line; only in a table a bar has to be escaped."""
    return code(words.shown(text)).replace("\\|", "|")


def drawn(cells: Cells) -> str:
    """A table."""
    rows = [[_cell(value) for value in row] for row in cells.rows]
    listed = table([_cell(heading) for heading in cells.headings], cells.align, rows)
    return f"{listed}\n\n{cells.more}" if cells.more else listed


def _cell(value: Cell) -> str:
    return code(value.text) if isinstance(value, Name) else prose(value.text if isinstance(value, Result) else value)


def _title(report: Report) -> str:
    found = report.experiment
    return "Experiment" if found is None else f"Experiment {name(found.trial.experiment_id)}"


def _list(lines: list[str]) -> str:
    return "\n".join(f"- {prose(line)}" for line in lines)


def _verdict(report: Report, candidate: Candidate) -> Iterator[str]:
    decision = candidate.decision
    arms = f"{name(decision.candidate)} against {name(decision.control)}"
    yield f"**{words.verdict(report, decision)}** {arms}: {words.meaning(report, decision)}."
    if decision.harm_suspected:
        yield f"**{terms.HARM}**"
    yield _list(decision.reasons)


def _integrity(report: Report) -> Iterator[str]:
    rates, found = report.data_quality.rates, report.experiment
    yield "## Can the logs be believed?"
    if found is not None and found.candidates:
        decisions = words.decisions(found)
        failed = logs.failed(decisions)
        asked = len({check for each in decisions for check in each.integrity})
        yield f"All {asked} checks pass." if not failed else f"{len(failed)} of {asked} checks fail:"
        if failed:
            cells = logs.checks(decisions)
            yield drawn(Cells(align=cells.align, headings=cells.headings, rows=[r for r in cells.rows if FAIL in r]))
    yield (
        f"Match rate {shared.percent(rates.match)} ({shared.of(rates.match)} outcomes found their exposure); valid "
        f"rate {shared.percent(rates.valid)}; {shared.percent(rates.attribution)} of the outcomes count."
    )
    if found is not None:
        yield f"Users by arm: {_ratio(found)}. " + " ".join(prose(line) for line in words.sample_ratio(found))
        if found.sources:
            yield drawn(logs.sources(found.sources))


def _ratio(found: ExperimentReport) -> str:
    rows = [[_cell(value) for value in row] for row in logs.ratio(found.trial).rows]
    return "; ".join(f"{arm} {seen} of {wanted} expected" for arm, seen, wanted, _ in rows) or "none"


def _whose(candidate: Candidate, *, several: bool) -> str:
    return f" of {name(candidate.decision.candidate)}" if several else ""


def _deciding(candidate: Candidate, place: int, *, several: bool) -> Iterator[str]:
    decision, whose = candidate.decision, _whose(candidate, several=several)
    yield f"## Primary metrics{whose}"
    yield drawn(tables.primary(decision))
    if not place:
        yield f"{words.interval_words(decision.rule)} Relative is to the control."
    yield _list([*words.hows(words.named(decision.metrics)), *words.beside(decision.metrics)])
    if decision.guardrails:
        yield f"## Guardrails{whose}"
        yield drawn(tables.guardrails(decision))
        yield _list(list(words.hows(words.named(decision.guardrails))))


def _describing(candidate: Candidate, *, several: bool) -> Iterator[str]:
    decision, whose = candidate.decision, _whose(candidate, several=several)
    if candidate.secondary:
        yield f"## Secondary metrics{whose}"
        yield drawn(tables.described(candidate.secondary, decision))
        yield _list([*words.hows(words.named(candidate.secondary)), *words.beside(candidate.secondary)])
        yield f"They do not decide. {terms.ADJUSTED.format(alpha=decision.rule.alpha)}"
    yield from _slices(candidate, whose)


def _slices(candidate: Candidate, whose: str) -> Iterator[str]:
    """Those between which the effect differs; the others are only named."""
    if not candidate.interactions:
        return
    differing = words.differing(candidate)
    yield f"## Slices{whose}"
    alpha = candidate.decision.rule.alpha
    yield _list([f"{each.metric}: {words.interaction(each, alpha)}" for each in candidate.interactions])
    for key, metric, _, cells in tables.slices(candidate):
        if any((each.key, each.metric) == (key, metric) for each in differing):
            left = len(cells.rows) - MAX_SLICES
            more = cells.more or (f"{left:,} more are in the JSON report." if left > 0 else "")
            shown = Cells(align=cells.align, headings=cells.headings, rows=cells.rows[:MAX_SLICES], more=more)
            yield f"{prose(metric)} by {name(key)}:\n\n{drawn(shown)}"


def _power(found: ExperimentReport) -> Iterator[str]:
    told = [
        f"{each.metric}: {words.needed(each)}"
        for decision in words.decisions(found)[:1]
        for each in decision.needed
    ]  # fmt: skip
    if told:
        yield "## What can this sample find?"
        yield _list(told)


def origin(report: Report) -> str:
    """Run, version, inputs."""
    told = f"Run {report.run_id}, {report.created_at:%Y-%m-%d %H:%M:%S} UTC, recsys-suite {report.version}."
    rows = [
        [part.role, code(words.shown(part.path)), f"{part.rows:,}", f"{part.invalid:,}", f"`{part.sha256[:12]}`"]
        for part in report.inputs
    ]
    listed = table(["input", "file", "rows", "invalid", "sha-256"], "llrrl", rows)
    return f"## Where it came from\n\n{told}\n\n{listed}"

"""What a trace comes to, in a line, and what to look at where there is no list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from recsys.contracts import trace as contract

Status = Literal["found", "no_exposure", "unknown"]


def status(lists: Sequence[contract.ShownList], rows: Sequence[contract.TracedRow]) -> Status:
    """``found`` where a valid exposure has the id, ``no_exposure`` where only other rows have it."""
    if lists:
        return "found"
    return "no_exposure" if rows else "unknown"


def headline(lists: Sequence[contract.ShownList], rows: Sequence[contract.TracedRow]) -> str:
    """The whole in a line."""
    distinct = [each for each in lists if each.standing != "redelivery"]
    if len(distinct) > 1:
        return f"{len(distinct)} different lists have this id, so nothing is attributed to it"
    if distinct:
        return f"{_list(distinct[0])}; {_attributed(rows)}"
    if not rows:
        return "no row of these logs has this id"
    counted = Counter((row.log, row.fate) for row in rows)
    parts = [f"{_count(count, log.removesuffix('s'))} ({fate})" for (log, fate), count in counted.items()]
    return f"no valid exposure has this id, only {', '.join(parts)}"


def _list(shown: contract.ShownList) -> str:
    what = f"a list of {_count(len(shown.items), 'item')}"
    if shown.error:
        what = "a list that failed"
    elif not shown.items:
        what = "an empty list"
    return f"{what} on {shown.context['surface']}" if "surface" in shown.context else what


def _attributed(rows: Sequence[contract.TracedRow]) -> str:
    counted = Counter(row.event_type for row in rows if row.fate == "attributed")
    others = sum(row.log == "outcomes" and row.fate != "attributed" for row in rows)
    parts = [_count(counted[kind], kind) for kind in ("click", "conversion") if counted[kind]]
    told = f"{' and '.join(parts)} attributed" if parts else "nothing is attributed"
    return f"{told}, {_count(others, 'outcome')} not" if others else told


def _count(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def without_list(rows: Sequence[contract.TracedRow]) -> list[str]:
    """What it means that only rows of other kinds have the id, and what to look at."""
    found = []
    refused = next((row for row in rows if row.log == "exposures" and row.fate == "invalid"), None)
    if refused is not None:
        found.append(f"Its exposure was refused: see {refused.at.file}:{refused.at.line}.")
    if any(row.log == "outcomes" and row.fate != "invalid" for row in rows):
        found.append(
            "Its outcomes are orphans: they count against the match rate and for no list. Either the list was not "
            "logged, or its log is not among these files, or the product sends another request_id than the list's."
        )
        found.append("See what the subject was shown at that time: does a list there show the item?")
    if any(row.log == "assignments" for row in rows):
        found.append("The variant was assigned, and then no list logged: did the request fail, or the exposure log?")
    return found

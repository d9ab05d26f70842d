"""Today's diagnosis beside an earlier one: what is new, worse, the same, better, and gone."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec
from msgspec.structs import replace

from recsys.contracts.diagnosis import Diagnosis, Evidence, Finding
from recsys.errors import InputError

Change = Literal["new", "worse", "same", "better"]
NOISE = 4.0
"""Two shares differ where they are this many standard errors apart, and by a tenth of the earlier one."""

Key = tuple[str, str]
"""Detector and subject: what makes two findings the same one. Where several have one key, each is that which is most
like it, of one moment if there is one, and no two are the same one."""


def read(path: str) -> Diagnosis:
    """An earlier diagnosis; InputError where the file holds none."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError("cannot be read", where=path, found=error.strerror or str(error)) from None
    try:
        return msgspec.json.decode(content, type=Diagnosis)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        hint = "A baseline is written by `recsys-eval doctor --output diagnosis.json`."
        raise InputError(
            "not a diagnosis", where=path, found=str(error), expected="the JSON of diagnosis.v1", hint=hint
        ) from None


def compared(today: Diagnosis, earlier: Diagnosis) -> Diagnosis:
    """``today``, its findings (nested ones too) marked by what they were in ``earlier``, and those that are gone."""
    found, before = list(_all(today.findings)), list(_all(earlier.findings))
    same = _pairs(found, before)
    looked = {check.detector for check in today.checks if not check.unable}
    missing = [finding for place, finding in enumerate(before) if place not in same.values()]
    gone = [_told(finding, before) for finding in missing if finding.detector in looked]
    notes = []
    if unseen := [_told(finding, before) for finding in missing if finding.detector not in looked]:
        notes.append(f"Not looked at this time, though the baseline has it: {', '.join(unseen)}.")
    blind = {check.detector for check in earlier.checks if check.unable} & {finding.detector for finding in found}
    if blind:
        notes.append(f"New, or only not looked at for the baseline: {', '.join(sorted(blind))}.")
    if earlier.effective_config != today.effective_config:
        notes.append("The baseline was made with other limits or another attribution policy.")
    if earlier.version != today.version:
        notes.append(f"The baseline was made by version {earlier.version}.")
    changes: Iterator[Change] = (
        "new" if place not in same else _change(before[same[place]].evidence, finding.evidence)
        for place, finding in enumerate(found)
    )
    return replace(today, findings=[_marked(finding, changes) for finding in today.findings], gone=gone, notes=notes)


def _all(findings: list[Finding]) -> Iterator[Finding]:
    for finding in findings:
        yield finding
        yield from _all(finding.nested)


def _pairs(today: Sequence[Finding], earlier: Sequence[Finding]) -> dict[int, int]:
    """Today's findings → the earlier ones that are the same, by their places."""
    places: dict[Key, list[int]] = defaultdict(list)
    for place, finding in enumerate(earlier):
        places[_key(finding)].append(place)
    likely = sorted(
        (_unlike(finding.evidence, earlier[other].evidence), place, other)
        for place, finding in enumerate(today)
        for other in places[_key(finding)]
    )
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for _, place, other in likely:
        if place not in pairs and other not in taken:
            pairs[place] = other
            taken.add(other)
    return pairs


def _unlike(one: Evidence, other: Evidence) -> tuple[bool, float]:
    since = [each.onset or each.first for each in (one, other)]
    return since[0] != since[1], abs((one.share or 0) - (other.share or 0))


def _told(finding: Finding, among: Sequence[Finding]) -> str:
    """Its key, and where others have it too, since when it was."""
    since = finding.evidence.onset or finding.evidence.first
    shared = sum(_key(each) == _key(finding) for each in among) > 1
    when = f"(since {since:%Y-%m-%d %H:%M:%S} UTC)" if shared and since else ""
    return " ".join(filter(None, (*_key(finding), when)))


def _key(finding: Finding) -> Key:
    return finding.detector, finding.subject


def _marked(finding: Finding, changes: Iterator[Change]) -> Finding:
    """The finding and those under it, each with the next of ``changes``, which are in the order of ``_all``."""
    return replace(finding, since_baseline=next(changes), nested=[_marked(each, changes) for each in finding.nested])


def _change(earlier: Evidence, today: Evidence) -> Change:
    if not earlier.of or not today.of:
        return "same"
    was, now = earlier.rows / earlier.of, today.rows / today.of
    pooled = (earlier.rows + today.rows) / (earlier.of + today.of)
    error = math.sqrt(max(pooled * (1 - pooled), 0.0) * (1 / earlier.of + 1 / today.of))
    if abs(now - was) <= max(NOISE * error, was / 10):
        return "same"
    return "worse" if now > was else "better"

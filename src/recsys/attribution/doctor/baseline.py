"""Today's diagnosis beside an earlier one: what is new, worse, the same, better, and gone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec.structs import replace

from recsys.contracts.diagnosis import Diagnosis, Evidence, Finding
from recsys.errors import InputError

NOISE = 4.0
"""Two shares differ where they are this many standard errors apart, and by a tenth of the earlier one."""

Key = tuple[str, str]
"""Detector and subject: what makes two findings the same one."""


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
    before = {_key(finding): finding.evidence for finding in _all(earlier.findings)}
    now = {_key(finding) for finding in _all(today.findings)}
    looked = {check.detector for check in today.checks if not check.unable}
    missing = [key for key in before if key not in now]
    gone = [_told(key) for key in missing if key[0] in looked]
    notes = []
    if unseen := [_told(key) for key in missing if key[0] not in looked]:
        notes.append(f"Not looked at this time, though the baseline has it: {', '.join(unseen)}.")
    blind = {check.detector for check in earlier.checks if check.unable} & {key[0] for key in now}
    if blind:
        notes.append(f"New, or only not looked at for the baseline: {', '.join(sorted(blind))}.")
    if earlier.effective_config != today.effective_config:
        notes.append("The baseline was made with other limits or another attribution policy.")
    if earlier.version != today.version:
        notes.append(f"The baseline was made by version {earlier.version}.")
    return replace(today, findings=[_marked(finding, before) for finding in today.findings], gone=gone, notes=notes)


def _all(findings: list[Finding]) -> Iterator[Finding]:
    for finding in findings:
        yield finding
        yield from _all(finding.nested)


def _told(key: Key) -> str:
    return " ".join(filter(None, key))


def _key(finding: Finding) -> Key:
    return finding.detector, finding.subject


def _marked(finding: Finding, before: dict[Key, Evidence]) -> Finding:
    earlier = before.get(_key(finding))
    change = "new" if earlier is None else _change(earlier, finding.evidence)
    nested = [_marked(each, before) for each in finding.nested]
    return replace(finding, since_baseline=change, nested=nested)


def _change(earlier: Evidence, today: Evidence) -> str:
    if not earlier.of or not today.of:
        return "same"
    was, now = earlier.rows / earlier.of, today.rows / today.of
    pooled = (earlier.rows + today.rows) / (earlier.of + today.of)
    error = math.sqrt(max(pooled * (1 - pooled), 0.0) * (1 / earlier.of + 1 / today.of))
    if abs(now - was) <= max(NOISE * error, was / 10):
        return "same"
    return "worse" if now > was else "better"

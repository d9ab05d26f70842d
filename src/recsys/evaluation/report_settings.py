"""Under which settings a report was made, and how those of two reports differ."""

from __future__ import annotations

from typing import Any

from recsys.contracts.report import Report
from recsys.statistics.ratio import LEVEL

HOW = ("bootstrap", "gates")
"""Keys of section ``offline`` that change no figure."""


def identical(a: Report, b: Report) -> bool:
    """Whether both are of the same bytes, under settings that give the same figures, by the same version."""
    return bool(a.inputs) and _bytes(a) == _bytes(b) and _figures(a) == _figures(b) and a.version == b.version


def level(report: Report) -> float:
    """The level of its intervals."""
    return float(_offline(report).get("bootstrap", {}).get("level", LEVEL))


def catalogue(report: Report) -> list[str]:
    """The hashes of its catalogue's files."""
    return sorted(part.sha256 for part in report.inputs if part.role == "items")


def same_attribution(a: Report, b: Report) -> bool:
    """Whether the same outcomes count in both."""
    return a.effective_config.get("attribution") == b.effective_config.get("attribution")


def differences(a: Report, b: Report) -> list[str]:
    """What differs between them beside the logs, in words."""
    found = [
        f"{where} was {_shown(before)} in the baseline and is {_shown(after)} in the candidate"
        for where, before, after in _walk("", _figures(a), _figures(b))
    ]
    if level(a) != level(b):
        found.append(f"the level of intervals was {level(a):g} in the baseline; here it is {level(b):g}")
    if a.version != b.version:
        found.append(f"the baseline is of version {a.version}, the candidate of {b.version}")
    if catalogue(a) != catalogue(b):
        found.append("the catalogues (--items) differ")
    for report, name in ((a, "baseline"), (b, "candidate")):
        if report.buckets is None:
            found.append(f"the {name} holds no sums by bucket of users: it was made by an earlier version")
        elif report.buckets.note:
            found.append(f"the {name}: {report.buckets.note}")
        if report.summary.status == "hold":
            found.append(f"the {name} is on hold: {'; '.join(report.summary.reasons)}")
    return found


def _bytes(report: Report) -> list[tuple[str, str]]:
    return sorted((part.role, part.sha256) for part in report.inputs)


def _offline(report: Report) -> dict[str, Any]:
    found = report.effective_config.get("offline")
    return found if isinstance(found, dict) else {}


def _figures(report: Report) -> dict[str, Any]:
    """The settings that decide what the figures are."""
    offline = {key: value for key, value in _offline(report).items() if key not in HOW}
    return {key: report.effective_config.get(key) for key in ("mode", "slice_keys", "attribution")} | {
        "offline": offline
    }


def _walk(where: str, a: Any, b: Any) -> list[tuple[str, Any, Any]]:
    """The keys under which two documents differ, with both values."""
    if isinstance(a, dict) and isinstance(b, dict):
        keys = [*a, *(key for key in b if key not in a)]
        return [each for key in keys for each in _walk(f"{where}.{key}" if where else str(key), a.get(key), b.get(key))]
    return [] if a == b else [(where, a, b)]


def _shown(value: Any) -> str:
    if value is None:
        return "not given"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

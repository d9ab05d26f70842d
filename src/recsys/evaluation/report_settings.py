"""Under which settings a report was made, and how those of two reports differ."""

from __future__ import annotations

from typing import Any

from recsys.contracts.report import Report
from recsys.errors import InputError
from recsys.evaluation.metrics.user_buckets import FEWEST, MOST
from recsys.statistics.ratio import LEVEL
from recsys.text import printable

HOW = ("bootstrap", "gates")
"""Keys of section ``offline`` that change no figure."""
COUNTS = tuple(2**power for power in range(20) if FEWEST <= 2**power <= MOST)
LIMITS = ("min_match_rate", "max_lost_rate")
"""Keys of section ``attribution`` that say when a run is on hold, and not which outcomes count."""


def check(report: Report, where: str) -> None:
    """InputError for a report that is of the right form and cannot be what a run wrote: one that was changed by
    hand."""
    for section in ("offline", "attribution"):
        if not isinstance(report.effective_config.get(section, {}), dict):
            raise _changed(where, f"effective_config.{section} is no section")
    bootstrap = _offline(report).get("bootstrap", {})
    found = bootstrap.get("level", LEVEL) if isinstance(bootstrap, dict) else bootstrap
    if not isinstance(found, int | float) or isinstance(found, bool) or not 0 < found < 1:
        raise _changed(where, f"effective_config.offline.bootstrap has no level: {str(found)[:40]}")
    for part in report.buckets.slices if report.buckets else []:
        name = f"buckets of {printable(part.slice_key)} {printable(part.slice_value)}" if part.slice_key else "buckets"
        if part.count not in COUNTS:
            raise _changed(where, f"{name}: {part.count} of them")
        for sums in (*part.n.values(), *part.y.values()):
            if len(sums) != part.count:
                raise _changed(where, f"{name}: {len(sums)} sums over {part.count} buckets")


def _changed(where: str, found: str) -> InputError:
    hint = "Was it changed by hand? Make it anew with `recsys-eval run --output report.json`."
    return InputError("not a report that a run writes", where=where, found=found, hint=hint)


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
    return _counting(a) == _counting(b)


def _counting(report: Report) -> dict[str, Any]:
    """The settings that decide which outcomes count."""
    found = report.effective_config.get("attribution")
    return {key: value for key, value in found.items() if key not in LIMITS} if isinstance(found, dict) else {}


def differences(a: Report, b: Report) -> list[str]:
    """What differs between them beside the logs, in words."""
    found = [
        f"{where} was {_shown(before)} in the baseline and is {_shown(after)} in the candidate"
        for where, before, after in _walk("", _figures(a), _figures(b))
    ]
    found += [
        f"attribution.{key} was {_shown(_limit(a, key))} in the baseline and is {_shown(_limit(b, key))} in the "
        "candidate: it changes no figure"
        for key in LIMITS if _limit(a, key) != _limit(b, key)
    ]  # fmt: skip
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
    kept = {key: report.effective_config.get(key) for key in ("mode", "slice_keys")}
    return kept | {"attribution": _counting(report), "offline": offline}


def _limit(report: Report, key: str) -> Any:
    found = report.effective_config.get("attribution")
    return found.get(key) if isinstance(found, dict) else None


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

"""The doctor's thresholds: every detector has defaults, and a YAML may change them or turn a detector off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from recsys.attribution import documents
from recsys.attribution.doctor.symptoms import Detector, Limits
from recsys.errors import ConfigError

ENABLED = "enabled"
MOST = 1e12


def read(path: str | None, detectors: Sequence[Detector]) -> dict[str, Limits]:
    """Detector → its limits, of those that are not turned off; ConfigError names the nearest known word, and refuses to
    turn off all of them.

    ::

        user_mismatch: {warning: 0.001, serious: 0.05}
        bots: {enabled: false}
    """
    document = {} if path is None else documents.read(path)
    documents.check_keys(document, [each.name for each in detectors], path or "")
    found: dict[str, Limits] = {}
    for each in detectors:
        where = f"{path}: {each.name}"
        section = documents.section(document, each.name, path or "")
        more = [name for name in section if each.more and name.startswith(each.more)]
        documents.check_keys(section, [ENABLED, *each.limits, *more], where)
        if _enabled(section, where):
            given = {name: section[name] for name in (*each.limits, *more) if name in section}
            numbers = {
                name: documents.number(value, f"{where}.{name}", low=0, high=MOST) for name, value in given.items()
            }
            found[each.name] = {**each.limits, **numbers}
    if not found:
        raise ConfigError(
            "all detectors are turned off", where=path or "", expected="one at least that looks at the logs"
        )
    return found


def _enabled(section: Mapping[str, object], where: str) -> bool:
    value = section.get(ENABLED, True)
    if not isinstance(value, bool):
        raise ConfigError("neither on nor off", where=f"{where}.{ENABLED}", found=repr(value), expected="true or false")
    return value


def written(detectors: Sequence[Detector]) -> str:
    """All detectors with their limits as YAML, which ``read`` reads."""
    blocks = []
    for each in detectors:
        numbers = "".join(f"  {name}: {Decimal(repr(value)):f}\n" for name, value in each.limits.items())
        blocks.append(f"# {each.question}\n{each.name}:\n  {ENABLED}: true\n{numbers}")
    return "\n".join(blocks)

"""The doctor's thresholds: every detector has defaults, and a YAML may change them or turn a detector off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from recsys.attribution import documents
from recsys.attribution.doctor.symptoms import Detector, Limits
from recsys.errors import ConfigError

ENABLED = "enabled"
WEIGHTS = "weights"
MOST = 1e12
LEAST_WEIGHT = 1e-6
_WEIGHTS = "an experiment with two arms at least, such as checkout: {control: 9, treatment: 1}"


def read(path: str | None, detectors: Sequence[Detector]) -> dict[str, Limits]:
    """Detector → its limits, of those that are not turned off; ConfigError names the nearest known word, and refuses to
    turn off all of them.

    ::

        user_mismatch: {warning: 0.001, serious: 0.05}
        bots: {enabled: false}

    ``planned`` reads the weights of experiments in it.
    """
    document = {} if path is None else documents.read(path)
    documents.check_keys(document, [each.name for each in detectors], path or "")
    found: dict[str, Limits] = {}
    for each in detectors:
        where = f"{path}: {each.name}"
        section = documents.section(document, each.name, path or "")
        documents.check_keys(section, [ENABLED, *each.limits, *([WEIGHTS] if each.weighs else [])], where)
        if _enabled(section, where):
            given = {name: section[name] for name in each.limits if name in section}
            numbers = {
                name: documents.number(value, f"{where}.{name}", low=0, high=MOST) for name, value in given.items()
            }
            found[each.name] = {**each.limits, **numbers}
    if not found:
        raise ConfigError(
            "all detectors are turned off", where=path or "", expected="one at least that looks at the logs"
        )
    return found


def planned(path: str | None, detectors: Sequence[Detector]) -> dict[str, dict[str, float]]:
    """Experiment → arm → the weight that was planned for it, as the YAML that ``read`` reads has it under ``weights``.

    ::

        sample_ratio:
          weights:
            checkout-2026: {control: 9, treatment: 1}
    """
    document = {} if path is None else documents.read(path)
    found: dict[str, dict[str, float]] = {}
    for each in detectors:
        section = documents.section(document, each.name, path or "")
        if each.weighs and WEIGHTS in section:
            where = f"{path}: {each.name}.{WEIGHTS}"
            if not isinstance(section[WEIGHTS], dict):
                raise ConfigError("not weights", where=where, found=repr(section[WEIGHTS])[:80], expected=_WEIGHTS)
            found |= {_name(name, where): _arms(arms, f"{where}.{name}") for name, arms in section[WEIGHTS].items()}
    return found


def _arms(arms: object, where: str) -> dict[str, float]:
    if not isinstance(arms, dict) or len(arms) < 2:
        raise ConfigError("not the weights of arms", where=where, found=repr(arms)[:80], expected=_WEIGHTS)
    return {
        _name(arm, where): documents.number(weight, f"{where}.{arm}", low=LEAST_WEIGHT, high=MOST)
        for arm, weight in arms.items()
    }


def _name(name: object, where: str) -> str:
    """A name as the log has it; YAML takes 1 for a number, and no and on for false and true."""
    if isinstance(name, bool | float):
        raise ConfigError("not a name", where=where, found=repr(name), expected="a name, in quotes")
    return str(name)


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
        planned = f"  # {WEIGHTS}: {{experiment: {{control: 9, treatment: 1}}}}\n" if each.weighs else ""
        blocks.append(f"# {each.question}\n{each.name}:\n  {ENABLED}: true\n{numbers}{planned}")
    return "\n".join(blocks)

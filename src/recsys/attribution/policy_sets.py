"""Several policies by name, for a comparison: the usual ones beside the one that was chosen, or those of a YAML."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from recsys.attribution import documents, policies
from recsys.attribution.policies import RATES
from recsys.attribution.policy import REQUEST_ID_ONLY, Policy
from recsys.errors import ConfigError

STANDARD = "standard"
CHOSEN = "chosen"
USUAL: Mapping[str, Policy] = MappingProxyType(
    {
        STANDARD: Policy(),
        "windowed": Policy(windows_s={"click": 3_600.0, "conversion": 604_800.0}),
        "first_touch": Policy(touch="first"),
        "request_id_only": REQUEST_ID_ONLY,
    }
)
"""What is compared unless a YAML says otherwise; ``windowed``: a click within an hour, a conversion within 7 days."""
MAX_POLICIES = 12
MAX_NAME = 40


def usual(chosen: Policy) -> dict[str, Policy]:
    """The chosen policy, the usual ones that differ from it, and last the chosen one with its fallback if it has one.

    All have the gates of the chosen one.
    """
    base = replace(chosen, fallback=None)
    found = {_name(base): base}
    for name, policy in USUAL.items():
        if policy.table() != base.table():
            found[name] = _gated(policy, chosen)
    if chosen.fallback is not None:
        found[f"{_name(base)}+user_item"] = chosen
    return found


def _name(policy: Policy) -> str:
    return next((name for name, known in USUAL.items() if known.table() == policy.table()), CHOSEN)


def _gated(policy: Policy, chosen: Policy) -> Policy:
    return replace(policy, **{key: getattr(chosen, key) for key in RATES})


def read(path: str, chosen: Policy) -> dict[str, Policy]:
    """The chosen policy, and those of a YAML ``policies: {name: {…}}``, each a section as ``attribution`` is.

    A gate that a section does not set is that of the chosen policy. ConfigError says what cannot be used.
    """
    document = documents.read(path)
    documents.check_keys(document, ["policies"], path)
    sections = documents.section(document, "policies", path)
    if not 1 <= len(sections) < MAX_POLICIES:
        expected = f"policies: {{name: {{…}}}}, 1 to {MAX_POLICIES - 1} of them"
        raise ConfigError(
            "not as many policies as can be compared", where=path, found=str(len(sections)), expected=expected
        )
    found = {_name(chosen): chosen}
    for key, section in sections.items():
        name = _checked(key, found, path)
        where = f"{path}: policies.{name}"
        if section is not None and not isinstance(section, dict):
            raise ConfigError("not a section", where=where, found=documents.type_name(section), expected="a mapping")
        found[name] = _read(section or {}, where, chosen)
    return found


def _read(section: dict[str, Any], where: str, chosen: Policy) -> Policy:
    gates = {key: getattr(chosen, key) for key in RATES if key not in section}
    return policies.read({**section, **gates}, where)


def _checked(key: object, taken: Mapping[str, Policy], path: str) -> str:
    name = str(key)
    if not name.strip() or not name.isprintable() or len(name) > MAX_NAME:
        expected = f"up to {MAX_NAME} printable characters"
        raise ConfigError("not a name of a policy", where=f"{path}: policies", found=repr(name)[:60], expected=expected)
    if name in taken:
        hint = "It is the policy that the options make, with which the others are compared. Choose another name."
        raise ConfigError("the name is taken", where=f"{path}: policies", found=repr(name), hint=hint)
    return name

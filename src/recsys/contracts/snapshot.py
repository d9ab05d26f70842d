"""``snapshot.v1``: every version of a tenant's configuration and rules that the service has kept, exported to a file.

It explains exposures without a database: an exposure names the version that it was ranked under. A snapshot holds no
salt, no key and no identifier of a person.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct, field

from recsys import __version__
from recsys.contracts.config import TenantConfig
from recsys.errors import InputError

MAX_DEPTH = 200
MOST_SHOWN = 40


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all parts of a snapshot share."""


class ConfigVersion(_Part, frozen=True, kw_only=True):
    """A version of the configuration. ``name`` is what exposures carry as ``config_version``. Version 0 is the empty
    document that counts before the first one is set; it was never made, so its ``created_at`` is null."""

    version: int
    name: str
    created_at: datetime | None
    current: bool
    document: TenantConfig


class RulesVersion(_Part, frozen=True, kw_only=True):
    """A version of the rules. ``name`` is what exposures carry as ``rules_version``."""

    version: int
    name: str
    created_at: datetime | None
    current: bool
    document: dict[str, Any]


class Snapshot(_Part, frozen=True, kw_only=True):
    """``snapshot.v1``. Versions are in their order, and exactly one of ``config`` is the current one. The service has
    no rules yet: ``rules`` is empty, and exposures say ``none``."""

    schema_version: Literal["snapshot.v1"] = "snapshot.v1"
    tenant_id: str
    exported_at: datetime
    service_version: str
    config: list[ConfigVersion]
    rules: list[RulesVersion] = field(default_factory=list)


_Version = TypeVar("_Version", ConfigVersion, RulesVersion)


def named(versions: list[_Version], name: str) -> _Version | None:
    """The version of this name."""
    return next((version for version in versions if version.name == name), None)


def current(versions: list[_Version]) -> _Version | None:
    """The version in force when the snapshot was exported."""
    return next((version for version in versions if version.current), None)


def parse(raw: bytes, *, where: str) -> Snapshot:
    """The snapshot in ``raw``; InputError where it is none, with what it lacks.

    One with a field that is not known here is none either: what would be left out of it might be what a list was ranked
    by.
    """
    found = f"rules nested {MAX_DEPTH} deep, or deeper"
    try:
        made = msgspec.json.decode(raw, type=Snapshot)
        if _is_flat([version.document for version in made.rules]):
            return made
    except RecursionError:
        pass
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        found = str(error)
    hint = "Export it with `recsys-service snapshot --tenant T --output F.json`, of a version like this one"
    raise InputError(
        "not a snapshot", where=where, found=found, expected="snapshot.v1", hint=f"{hint} ({_versions(raw)})."
    )


def _is_flat(values: Iterable[Any]) -> bool:
    """Whether values are nested less deeply than what writes them again can follow."""
    for _ in range(MAX_DEPTH):
        values = [
            each
            for value in values
            for each in (value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
        ]
    return not values


def _versions(raw: bytes) -> str:
    """Who made the snapshot, as far as it says, and who reads it."""
    try:
        made_by = msgspec.json.decode(raw, type=_Exported).service_version
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return f"this is {__version__}"
    return f"it is of version {made_by[:MOST_SHOWN]}, and this is {__version__}"


class _Exported(Struct):
    """What tells the maker of a snapshot of any version."""

    service_version: str

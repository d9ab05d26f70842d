"""``snapshot.v1``: every version of a tenant's configuration and rules that the service has kept, exported to a file.

It explains exposures without a database: an exposure names the version that it was ranked under. A snapshot holds no
salt, no key and no identifier of a person.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct, field

from recsys.contracts.config import TenantConfig
from recsys.errors import InputError


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
    """The snapshot in ``raw``; InputError where it is none, with what it lacks."""
    try:
        return msgspec.json.decode(raw, type=Snapshot)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        hint = "Export it with `recsys-service snapshot --tenant T --output F.json`, of a version like this one."
        raise InputError("not a snapshot", where=where, found=str(error), expected="snapshot.v1", hint=hint) from None

"""What a list was ranked by: the versions that it names, as a snapshot of the service has them."""

from __future__ import annotations

import difflib
import re
from typing import Any

import msgspec

from recsys.contracts import snapshot as snapshots
from recsys.contracts import trace as contract
from recsys.contracts.config import DEFAULT_WEIGHTS, TenantConfig, Weights
from recsys.contracts.events import Exposure
from recsys.contracts.snapshot import ConfigVersion, RulesVersion, Snapshot

_BOUND = re.compile(r"\.k([0-9]+)\Z")
"""What the service adds to a version where its own settings bound the lists further than the version does."""
NO_RULES = "none"


def told(file: str, snapshot: Snapshot, exposure: Exposure) -> contract.Applied:
    """What of the snapshot applied to the exposure; ``file`` is the snapshot's."""
    context = exposure.context or {}
    tenant = context.get("tenant_id")
    named = context.get("config_version")
    notes = []
    if tenant is not None and tenant != snapshot.tenant_id:
        return _of_another_tenant(file, snapshot, context, tenant)
    if named is not None and (bound := _BOUND.search(named)):
        notes.append(f"The service's own settings (RECSYS_ALGO_MAX_K) bounded its lists to {bound[1]} items.")
        named = named[: bound.start()]
    version = None if named is None else snapshots.named(snapshot.config, named)
    current = snapshots.current(snapshot.config)
    layers = [] if version is None else _layers(version.document, context, notes)
    return contract.Applied(
        file=file,
        tenant_id=snapshot.tenant_id,
        exported_at=snapshot.exported_at,
        config=_config(named, version, current),
        rules=_rules(context.get("rules_version"), snapshot),
        layers=layers,
        weights=None if version is None else _weights(version.document, context),
        weights_now=None if current is None else _weights(current.document, context),
        notes=notes,
    )


def _of_another_tenant(file: str, snapshot: Snapshot, context: dict[str, str], tenant: str) -> contract.Applied:
    """Nothing: versions of one tenant say nothing of another's lists, whatever their names are."""

    def unknown(key: str) -> contract.AppliedVersion:
        note = "not looked up, for the snapshot is of another tenant"
        return contract.AppliedVersion(
            name=context.get(key), current=None, created_at=None, document=None, diff=[], note=note
        )

    return contract.Applied(
        file=file,
        tenant_id=snapshot.tenant_id,
        exported_at=snapshot.exported_at,
        config=unknown("config_version"),
        rules=unknown("rules_version"),
        layers=[],
        weights=None,
        weights_now=None,
        notes=[f"The snapshot is of tenant {snapshot.tenant_id}, and the list of tenant {tenant}."],
    )


def _config(named: str | None, version: ConfigVersion | None, current: ConfigVersion | None) -> contract.AppliedVersion:
    if version is None or current is None:
        return _unknown("configuration", named, current)
    then, now = _pretty(version.document), _pretty(current.document)
    return contract.AppliedVersion(
        name=version.name, current=current.name, created_at=version.created_at,
        document=msgspec.to_builtins(version.document), diff=_diff(then, now, version.name, current.name),
        note="in force when the snapshot was exported" if version.current else f"since then {current.name} came",
    )  # fmt: skip


def _rules(named: str | None, snapshot: Snapshot) -> contract.AppliedVersion:
    current = snapshots.current(snapshot.rules)
    version = None if named is None else snapshots.named(snapshot.rules, named)
    if version is None or current is None:
        if named == NO_RULES:
            return contract.AppliedVersion(
                name=named, current=None if current is None else current.name, created_at=None, document=None, diff=[],
                note="the list was ranked without rules",
            )  # fmt: skip
        return _unknown("rules", named, current)
    then, now = _text(version.document), _text(current.document)
    return contract.AppliedVersion(
        name=version.name, current=current.name, created_at=version.created_at, document=version.document,
        diff=_diff(then, now, version.name, current.name),
        note="in force when the snapshot was exported" if version.current else f"since then {current.name} came",
    )  # fmt: skip


def _unknown(what: str, named: str | None, current: ConfigVersion | RulesVersion | None) -> contract.AppliedVersion:
    note = f"the list names no version of the {what}"
    if named is not None:
        note = f"the snapshot does not know {named}: export a newer one, of the service that showed the list"
    return contract.AppliedVersion(
        name=named, current=None if current is None else current.name, created_at=None, document=None, diff=[],
        note=note,
    )  # fmt: skip


def _pretty(document: TenantConfig) -> list[str]:
    """The document over lines, in the order in which it is kept: that of variants decides who gets which."""
    return _text(msgspec.to_builtins(document))


def _text(document: dict[str, Any]) -> list[str]:
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode().splitlines()


def _diff(then: list[str], now: list[str], name: str, current: str) -> list[str]:
    return list(difflib.unified_diff(then, now, name, current, lineterm="", n=2))


def _layers(document: TenantConfig, context: dict[str, str], notes: list[str]) -> list[contract.Layer]:
    """The weights that lie over each other, the lowest first; what could not be told goes to ``notes``."""
    surface, experiment = context.get("surface"), context.get("experiment_id")
    layers = [contract.Layer(name="defaults", weights=DEFAULT_WEIGHTS)]
    layers.append(contract.Layer(name="tenant", weights=document.weights))
    if surface is None:
        notes.append("The list names no surface, so weights of a surface are left out.")
    elif surface in document.surfaces:
        layers.append(contract.Layer(name=f"surface {surface}", weights=document.surfaces[surface].weights))
    variant = _variant(document, context)
    if variant is not None:
        name = f"variant {context.get('experiment_variant')} of {experiment}"
        layers.append(contract.Layer(name=name, weights=variant))
    elif experiment is not None:
        notes.append(f"The configuration knows no variant {context.get('experiment_variant')} of {experiment}.")
    notes.append("Weights that the request itself asked for are in no log; they would lie over all of these.")
    return layers


def _variant(document: TenantConfig, context: dict[str, str]) -> Weights | None:
    """The variant's own weights; None where the configuration does not know it."""
    experiment = document.experiments.get(context.get("experiment_id", ""))
    variant = None if experiment is None else experiment.variants.get(context.get("experiment_variant", ""))
    return None if variant is None else variant.weights


def _weights(document: TenantConfig, context: dict[str, str]) -> Weights:
    """The weights in force for the surface and the variant, by the rule that the service follows."""
    return document.weights_for(context.get("surface", ""), _variant(document, context))

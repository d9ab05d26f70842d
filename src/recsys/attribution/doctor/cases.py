"""Making a case of accepted logs: contexts, the keys to break down by, and the join."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from recsys.attribution import quality
from recsys.attribution.doctor.case import Case, KeyUse, parameters
from recsys.attribution.doctor.refusals import refusals
from recsys.attribution.doctor.symptoms import Limits
from recsys.attribution.doctor.time_scale import earliest_us, width_us
from recsys.attribution.engine import Engine
from recsys.attribution.join import ALWAYS_BY, join
from recsys.attribution.policy import Policy
from recsys.attribution.sources import DEFAULT_SLICE_KEYS, MAX_SLICE_KEYS, AcceptedDataset
from recsys.attribution.trace.rows import micros

MOST_KEYS = 200
"""Of so many context keys of a log, those that most rows have, each is looked at by itself; of the others all together.
A table ``<log>_usual_keys`` holds them."""
MAX_VALUES = 50
"""A key with more values is no key to break down by."""
TELLING = (
    "platform", "device", "app_version", "client", "client_version", "algo_version", "release", "config_version",
    "rules_version", "manifest_version", "segment", "country", "locale",
)  # fmt: skip
"""Keys that most often tell a fault's cause: they are taken first where there are more than 8."""
EXPERIMENT_KEYS = ("experiment_id", "experiment_variant")


def prepare(
    engine: Engine,
    accepted: AcceptedDataset,
    policy: Policy,
    limits: Mapping[str, Limits],
    *,
    weights: Mapping[str, Mapping[str, float]],
    now: datetime,
    scratch: Path,
) -> Case:
    """The case of these logs, all relations of the join made. ``weights``: experiment → arm → planned weight."""
    logs = {"exposures": accepted.exposures, "outcomes": accepted.outcomes, "assignments": accepted.assignments}
    contexts: dict[str, dict[str, KeyUse]] = {}
    keys: dict[str, int] = {}
    for role, log in logs.items():
        if log is not None:
            engine.stage_contexts(f"{role}_context", role, log)
            contexts[role], keys[role] = _used_keys(engine, role)
    joined = join(engine, accepted, policy, scratch=scratch, slice_keys=keys_to_slice(contexts))
    as_of_us = micros(now)
    bucket_us = width_us(engine)
    engine.load("doctor", *parameters(limits, as_of_us, bucket_us))
    return Case(
        joined=joined,
        quality=quality.data_quality(joined),
        contexts=contexts,
        keys=keys,
        refused=refusals(accepted, joined.slice_keys),
        as_of_us=as_of_us,
        earliest_us=earliest_us(engine),
        bucket_us=bucket_us,
        weights=weights,
    )


def _used_keys(engine: Engine, role: str) -> tuple[dict[str, KeyUse], int]:
    """The usual keys of a log's contexts with their use, by name; and how many keys there are."""
    used = f"SELECT key, sum(n) AS n, count(*) AS n_values FROM {role}_context GROUP BY key"
    engine.create(f"{role}_usual_keys", f"{used} ORDER BY n DESC, key LIMIT {MOST_KEYS}")
    usual = engine.rows(f"SELECT key, n, n_values FROM {role}_usual_keys ORDER BY key")
    [(total,)] = engine.rows(f"SELECT count(DISTINCT key) FROM {role}_context")
    return {key: KeyUse(rows=int(rows), values=int(values)) for key, rows, values in usual}, int(total)


def keys_to_slice(contexts: Mapping[str, Mapping[str, KeyUse]]) -> list[str]:
    """Tenant, surface, and where there is one the experiment with its variant; then keys with few values, up to eight
    in all: first those that are known to tell causes, then those that most rows have."""
    rows: Counter[str] = Counter()
    for keys in contexts.values():
        rows.update({key: use.rows for key, use in keys.items()})
    varied = {key for keys in contexts.values() for key, use in keys.items() if 1 < use.values <= MAX_VALUES}
    usable = [key for key in varied if not _too_many(contexts, key) and key.strip() and key not in ALWAYS_BY]
    order = {key: place for place, key in enumerate(TELLING)}
    usable.sort(key=lambda key: (order.get(key, len(order)), -rows[key], key))
    named = {key for keys in contexts.values() for key in keys}
    always = [*DEFAULT_SLICE_KEYS, *(key for key in EXPERIMENT_KEYS if key in named)]
    others = [key for key in usable if key not in always]
    return [*always, *others[: MAX_SLICE_KEYS - len(always)]]


def _too_many(contexts: Mapping[str, Mapping[str, KeyUse]], key: str) -> bool:
    return any(keys[key].values > MAX_VALUES for keys in contexts.values() if key in keys)

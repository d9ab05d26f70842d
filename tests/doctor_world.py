"""A healthy shop's logs as plain records, for planting faults; and their examination."""

from __future__ import annotations

import hashlib
import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

START = datetime(2026, 2, 2, tzinfo=UTC)
NOW = START + timedelta(days=30)
DAYS = 3
SURFACES = ("home", "item_page", "cart")
DEVICES = ("web", "app")
VARIANTS = ("A", "B")
LIST_LENGTH = 8
ITEMS = 400


def pseudonym(word, salt="doctor"):
    return hashlib.sha256(f"{salt}\0{word}".encode()).hexdigest()


def stamp(moment):
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def world(seed=1, *, requests=1_500, users=300, days=DAYS):
    """(exposures, outcomes, assignments) of a shop without a fault: lists in order of time over ``days`` days, clicks
    on about a third of them seconds later, a purchase now and then, an experiment with equal arms, each user in one."""
    rng = np.random.default_rng([seed, 17])
    at = np.sort(rng.random(requests)) * days * 86_400
    exposures, outcomes, assignments = [], [], []
    for number in range(requests):
        moment = START + timedelta(seconds=round(float(at[number]), 3))
        who = int(rng.integers(users))
        user, device = pseudonym(who), DEVICES[who % 2]
        variant = VARIANTS[int(pseudonym(who, "arm"), 16) % 2]
        request = f"req-{seed}-{number:06d}"
        items = [f"item-{item:04d}" for item in rng.choice(ITEMS, LIST_LENGTH, replace=False)]
        context = {
            "tenant_id": "shop", "surface": SURFACES[int(rng.integers(3))], "device": device,
            "app_version": "4.2.0" if device == "app" else "web-118", "algo_version": "pop-1",
            "experiment_id": "exp-1", "experiment_variant": variant,
        }  # fmt: skip
        exposures.append(
            {
                "request_id": request, "user_id": user, "ts": stamp(moment), "context": context, "latency_ms": 3.5,
                "error": False, "items": [{"item_id": item, "rank": rank} for rank, item in enumerate(items, 1)],
            }
        )  # fmt: skip
        assignments.append(
            {"experiment_id": "exp-1", "variant": variant, "request_id": request, "user_id": user, "ts": stamp(moment)}
        )
        for rank, item in enumerate(items, 1):
            if rng.random() < 0.07 / rank**0.3:
                outcomes += _actions(rng, request, user, item, moment, context)
    return exposures, outcomes, assignments


def _actions(rng, request, user, item, moment, context):
    """A click some seconds after the list, and sometimes a purchase minutes after it."""
    clicked = moment + timedelta(seconds=round(float(rng.lognormal(2.5, 1.0)), 3))
    told = {"surface": context["surface"], "device": context["device"], "app_version": context["app_version"]}
    row = {
        "request_id": request, "user_id": user, "item_id": item, "event_type": "click", "ts": stamp(clicked),
        "event_id": f"{request}-{item}-c", "context": {"tenant_id": "shop", **told},
    }  # fmt: skip
    yield row
    if rng.random() < 0.15:
        bought = clicked + timedelta(seconds=round(float(rng.lognormal(5.5, 1.0)), 3))
        yield {
            **row, "event_type": "conversion", "ts": stamp(bought), "event_id": f"{request}-{item}-b",
            "value": round(float(rng.lognormal(3, 0.5)), 2),
        }  # fmt: skip


def write(path: Path, rows) -> str:
    """A log of these rows; a row of bytes or text is a line as it is."""
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return str(path)


def examine(exposures, outcomes, assignments=None, *, policy=None, thresholds=None, now=NOW, folder=None):
    """The diagnosis of logs of these rows. ``thresholds``: the text of a YAML. ``folder``: where the logs are written
    (and kept), for tests that look at sample lines."""
    from recsys.attribution import sources
    from recsys.attribution.doctor.diagnose import diagnose
    from recsys.attribution.policy import Policy

    with tempfile.TemporaryDirectory() as name:
        where = Path(folder or name)
        limits = None
        if thresholds is not None:
            limits = where / "thresholds.yaml"
            limits.write_text(thresholds)
        named = sources.from_options(
            [write(where / "exposures.jsonl", exposures)],
            [write(where / "outcomes.jsonl", outcomes)],
            None if assignments is None else [write(where / "assignments.jsonl", assignments)],
        )
        return diagnose(named, policy=policy or Policy(), thresholds=limits and str(limits), now=now)

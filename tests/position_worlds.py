"""Logs of lists in random order, with clicks by a known examination of ranks, made of a seed."""

import json
import random

TRUTH = (1.0, 0.6, 0.4)
ITEMS = {"home": ("a", "b", "c"), "search": ("b", "d", "e")}
RELEVANCE = {"a": 0.9, "b": 0.5, "c": 0.2, "d": 0.7, "e": 0.4}


def made(requests, seed=1, *, propensity=1 / 3, kind=None, shuffled=True):
    """Exposures and outcomes by role. ``kind``: the ``propensity_kind`` of the contexts; without ``shuffled`` each item
    keeps its rank."""
    rng = random.Random(seed)
    shown, done = [], []
    for number in range(requests):
        surface = rng.choice(list(ITEMS))
        items = rng.sample(ITEMS[surface], 3) if shuffled else ITEMS[surface]
        listed = [{"item_id": item, "rank": rank} for rank, item in enumerate(items, 1)]
        if propensity is not None:
            listed = [{**item, "propensity": propensity} for item in listed]
        context = {"surface": surface, **({"propensity_kind": kind} if kind else {})}
        row = {"request_id": f"r{number}", "user_id": f"u{number % 700}", "ts": "2026-02-05T10:00:00Z"}
        shown.append({**row, "items": listed, "context": context})
        done += [
            {**row, "item_id": item, "event_type": "click", "ts": "2026-02-05T10:00:05Z"}
            for rank, item in enumerate(items) if rng.random() < TRUTH[rank] * RELEVANCE[item]
        ]  # fmt: skip
    return {"exposures": shown, "outcomes": done}


def written(folder, rows):
    """The logs as JSON lines: their paths by role."""
    folder.mkdir(exist_ok=True, parents=True)
    for role, part in rows.items():
        (folder / f"{role}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    return [[str(folder / f"{role}.jsonl")] for role in rows]

"""Logs of lists with clicks for offline evaluations, made of a seed, and their reports."""

import json
import random
from hashlib import md5
from pathlib import Path

from recsys.attribution import sources
from recsys.contracts.report import Report
from recsys.evaluation.config import EvaluationConfig
from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.offline_config import OfflineConfig

ITEMS = [f"i{n}" for n in range(30)]
METRICS = ["hitrate@10", "mrr@10", "coverage@2", "novelty@10", "gini"]


def bucket(user: str, count: int) -> int:
    """The bucket of a user, by Python's own hash functions."""
    return int(md5(f"recsys:{user}".encode()).hexdigest()[:3], 16) % count


def made(users: int, seed: int = 1, chance: float = 0.3) -> list[dict]:
    """Lists of up to four items to users who come one to four times, each with the places that were clicked."""
    rng = random.Random(seed)
    rows = []
    for user in range(users):
        for _ in range(rng.randint(1, 4)):
            surface, device = rng.choice(["home", "search"]), rng.choice(["phone", "desk", None])
            weights = [1 / (place + 1) for place in range(30)]
            rows.append(
                {
                    "request": f"r{len(rows)}", "user": f"u{user}", "surface": surface, "device": device,
                    "items": list(dict.fromkeys(rng.choices(ITEMS, weights, k=4))),
                    "clicked": [place for place in range(2) if rng.random() < chance],
                }
            )  # fmt: skip
    return rows


def written(folder: Path, rows: list[dict]) -> list[str]:
    """The rows as logs: the options that name them."""
    shown, done = [], []
    for row in rows:
        context = {key: row[key] for key in ("surface", "device") if row[key]}
        items = [{"item_id": item, "rank": rank} for rank, item in enumerate(row["items"], 1)]
        shown.append(
            {"request_id": row["request"], "user_id": row["user"], "ts": "2026-02-05T10:00:00Z", "items": items}
            | {"context": context}
        )
        done += [
            {
                "request_id": row["request"], "user_id": row["user"], "item_id": row["items"][place],
                "event_type": "click", "ts": "2026-02-05T10:00:05Z",
            }
            for place in row["clicked"] if place < len(row["items"])
        ]  # fmt: skip
    folder.mkdir(exist_ok=True, parents=True)
    for name, part in (("e", shown), ("o", done)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    return ["--exposures", str(folder / "e.jsonl"), "--outcomes", str(folder / "o.jsonl")]


def report(
    folder: Path, rows: list[dict], *, metrics: list[str] = METRICS, baseline: Report | None = None, **offline
) -> Report:
    """The report on them, sliced by surface and device, and by both together."""
    _, exposures, _, outcomes = written(folder, rows)
    config = EvaluationConfig(
        slice_keys=["surface", "device"], metrics=metrics,
        offline=OfflineConfig(crossed=[("surface", "device")], **offline),
    )  # fmt: skip
    return evaluate(sources.from_options([exposures], [outcomes]), config, baseline=baseline).report

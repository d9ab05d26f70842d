"""Logs in which everything happens that can: made from a seed, and written in any order, cut and packing."""

import gzip
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import zstandard

BEGIN = datetime(2026, 2, 5, 22, tzinfo=UTC)
ITEMS = [f"i{n}" for n in range(40)]
CATALOGUE = [{"item_id": item, "tags": [f"t{n % 5}", f"t{n % 3}"]} for n, item in enumerate([*ITEMS, "never-shown"])]
PACKS = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}
BAD_LINE = "{broken"


def make(seed: int, count: int = 300) -> tuple[list[dict], list[dict]]:
    """Exposures and outcomes with redeliveries, ambiguous lists, duplicates, orphans, early, late and moved clicks."""
    rng = random.Random(seed)
    shown, done = [], []
    for n in range(count):
        exposure = _exposure(rng, n)
        shown.append(exposure)
        if rng.random() < 0.06:
            shown.append({**exposure, "ts": _moment(rng, 400)})
        if rng.random() < 0.03:
            shown.append({**exposure, "items": [*exposure["items"], {"item_id": "i0", "rank": 99}]})
        if exposure["items"] and rng.random() < 0.5:
            done += _outcomes(rng, exposure)
    return shown, done


def _moment(rng, minutes):
    return (BEGIN + timedelta(minutes=rng.randrange(minutes), microseconds=rng.randrange(10**6))).isoformat()


def _exposure(rng, n):
    ranked = rng.sample(ITEMS[: 10 + n % 31], rng.choice([0, 1, 5, 10, 10, 10]))
    context = {key: value for key, value in (("tenant_id", "demo"), ("surface", rng.choice(["home", "cart", ""])))
               if rng.random() < 0.9}  # fmt: skip
    user = f"person-{int(rng.paretovariate(0.7)) % 50}"
    if rng.random() < 0.05:
        user, context = f"request-{n}", {**context, "anonymous": "true"}
    exposure = {
        "request_id": f"request-{n}", "user_id": user, "ts": _moment(rng, 300), "context": context,
        "items": [{"item_id": item, "rank": rank, "propensity": 0.5 if rank < 9 else 0} for rank, item in
                  enumerate(ranked, 1 + (rng.random() < 0.05))],
        "latency_ms": rng.random() * 9, "error": not ranked,
    }  # fmt: skip
    rng.shuffle(exposure["items"])
    return exposure


def _outcomes(rng, exposure):
    made = []
    for item in rng.sample(exposure["items"], min(len(exposure["items"]), rng.choice([1, 1, 2, 3]))):
        late = rng.choice([-9, -4, 0.5, 3, 3, 3, 3, 40, 4000])
        outcome = {
            "request_id": exposure["request_id"], "user_id": exposure["user_id"], "item_id": item["item_id"],
            "event_type": rng.choice(["click", "click", "conversion"]),
            "ts": (datetime.fromisoformat(exposure["ts"]) + timedelta(seconds=late)).isoformat(),
        }  # fmt: skip
        if rng.random() < 0.3:
            outcome |= {"value": round(rng.random() * 90, 2), "event_id": f"event-{exposure['request_id']}-{len(made)}"}
        change = rng.random()
        if change < 0.02:
            outcome["request_id"] = f"lost-{exposure['request_id']}"
        elif change < 0.05:
            outcome["item_id"] = "never-shown"
        elif change < 0.08:
            outcome["user_id"] = "person-other"
        made.append(outcome)
        if rng.random() < 0.08:
            made.append({**outcome, "value": 1.5})
    return made


def write(folder: Path, role: str, rows, *, bad: int = 0, cuts: int = 1, pack: str = "") -> list[str]:
    """The rows as JSONL, dealt out to ``cuts`` files of one packing; ``bad`` lines that are none go to the last."""
    folder.mkdir(exist_ok=True, parents=True)
    texts = [json.dumps(row, ensure_ascii=False) for row in rows] + [BAD_LINE] * bad
    paths = []
    for cut in range(cuts):
        path = folder / f"{role}-{cut}.jsonl{pack}"
        path.write_bytes(PACKS[pack]("".join(text + "\n" for text in texts[cut::cuts]).encode()))
        paths.append(str(path))
    return paths

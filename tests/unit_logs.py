"""Random logs of one experiment, dense and full of trouble: few people who are shown much, before and after they are
assigned, and do all that a log can hold."""

import random
from datetime import UTC, datetime, timedelta

from experiment_oracle import Logs

START = datetime(2026, 2, 5, 10, tzinfo=UTC)
KEYS = ("tenant_id", "surface", "price", "experiment_id", "experiment_variant")
PRICES = [
    "3",
    "-2.5",
    "0.0000005",
    "1e3",
    ".5",
    "7.",
    "+1",
    "",
    "x",
    "1e13",
    "NaN",
    "inf",
    "5\n",
    " 6",
    "1_0",
    "0x1A",
    "2f",
]
VALUES = [0, 1.5, 49.9, -3.25, 0.0000005, 1e12, -1e12, 2e12, 123456789.1234565, 9.99]
LATENCIES = [0, 0.0005, 0.001, 1, 12.5, 300, 301.25, 1e6]


def at(seconds):
    return (START + timedelta(seconds=seconds)).isoformat()


def random_logs(seed, people=7, requests=30):
    """One log; the same for the same seed."""
    rng = random.Random(seed)
    users = [f"u{n}" for n in range(people)] + ["é"]
    arm = {user: rng.choice("AAB") for user in users}
    start = {user: rng.choice([0, 30, 60, 60, 90_000]) for user in users}
    shown, assigned = [], []
    for number in range(requests):
        request, user = f"r{number}", rng.choice(users)
        if rng.random() < 0.05:
            user = request
        when = rng.choice([-5, 0, 3, 5.000001, 20, 58, 60, 90, 100_000]) + rng.choice([0, 0, 0.5])
        shown.append(_exposure(rng, request, user, when))
        if rng.random() < 0.15:  # a redelivery, or another list under the same id
            shown.append(rng.choice([shown[-1], _exposure(rng, request, user, when + 1)]))
        if user in arm and when >= start[user] - 4 and rng.random() < 0.9:
            own = arm[user] if rng.random() < 0.95 else "C"
            assigned.append(_assignment(rng, request, user, own, max(when - rng.choice([0, 0, 3]), start[user])))
    assigned += [_assignment(rng, f"never-{user}", user, arm[user], start[user]) for user in rng.sample(users, 3)]
    assigned += rng.sample(assigned, len(assigned) // 4)
    return Logs(shown, [_outcome(rng, shown, arm) for _ in range(2 * requests)], assigned)


def _exposure(rng, request, user, when):
    listed = rng.choice([[], ["a"], ["a", "b"], ["b", "a"], ["c", "b", "é"]])
    row = {
        "request_id": request, "user_id": user, "ts": at(when),
        "items": [{"item_id": item, "rank": rank} for rank, item in enumerate(listed, 1)],
        "context": {},
    }  # fmt: skip
    if rng.random() < 0.7:
        row["latency_ms"] = rng.choice(LATENCIES)
    if rng.random() < 0.3:
        row["error"] = rng.random() < 0.7
    if rng.random() < 0.7:
        row["context"]["surface"] = rng.choice(["home", "é", "search"])
    if user == request:
        row["context"]["anonymous"] = "true"
    return row


def _assignment(rng, request, user, arm, when):
    context = {"price": rng.choice(PRICES)} if rng.random() < 0.8 else {}
    if rng.random() < 0.5:
        context["surface"] = rng.choice(["home", "search"])
    row = {"experiment_id": rng.choice("xxxxxy"), "variant": arm, "request_id": request, "user_id": user}
    return {**row, "ts": at(when), "context": context}


def _outcome(rng, shown, arm):
    about = rng.choice(shown)
    lost = rng.random() < 0.15
    when = datetime.fromisoformat(about["ts"]) + timedelta(
        seconds=rng.choice([-6, -5, 0, 0.5, 1, 2, 3.999999, 4, 40, 70, 5000])
    )
    row = {
        "request_id": f"lost-{rng.randrange(5)}" if lost else about["request_id"],
        "user_id": about["user_id"] if rng.random() < 0.9 else "u0",
        "item_id": rng.choice(["a", "a", "b", "c", "é"]),
        "event_type": rng.choice(["click", "click", "conversion"]),
        "ts": when.isoformat(),
    }
    if row["event_type"] == "conversion" and rng.random() < 0.9:
        row["value"] = rng.choice(VALUES)
    # Rows that are copies of each other agree in it
    told = hash_of(row)
    if told % 3:
        row["context"] = {"experiment_id": "xy"[told % 4 == 0], "experiment_variant": "ABCD"[told % 7 % 4]}
    return row


def hash_of(row):
    """A number that rows with the same key share."""
    return sum(f"{row['request_id']}{row['item_id']}{row['event_type']}{row['ts']}".encode())


def many(seeds):
    """Several logs as one: the ids of each begin with its number."""
    parts = [(seed, random_logs(seed)) for seed in seeds]
    return Logs(
        *(
            [_apart(row, seed) for seed, logs in parts for row in getattr(logs, role)]
            for role in ("exposures", "outcomes", "assignments")
        )
    )


def _apart(row, number):
    return row | {name: f"{number}-{row[name]}" for name in ("request_id", "user_id")}

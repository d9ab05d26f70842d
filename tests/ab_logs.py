"""Logs of an experiment with a known truth, for tests: users who are split by a hash, click, buy, and come again."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np

START = datetime(2026, 1, 5, tzinfo=UTC)


@dataclass(frozen=True)
class Arm:
    """What an arm does: the chance of a click a list, of a conversion after it, of an error or an empty list, and how
    slow it is. ``lost``: the share of its outcomes whose request_id is altered, and whose context tells the arm."""

    weight: int = 1
    click: float = 0.3
    buy: float = 0.2
    error: float = 0.0
    empty: float = 0.0
    slow: float = 1.0
    lost: float = 0.0


@dataclass(frozen=True)
class World:
    """``days``: over which users come. ``history``: whether they came before the experiment, too."""

    arms: dict[str, Arm] = field(default_factory=lambda: {"A": Arm(), "B": Arm()})
    users: int = 1_600
    days: int = 14
    seed: int = 1
    history: bool = False
    experiment: str = "exp-1"

    def but(self, **changes):
        """The same world with arms or anything else changed: ``B=dict(click=0.4)``."""
        arms = dict(self.arms)
        for name in [name for name in changes if name in arms or name.isupper()]:
            arms[name] = replace(arms.get(name, Arm()), **changes.pop(name))
        return replace(self, arms=arms, **changes)


@dataclass(frozen=True)
class Logs:
    """Rows as they stand in the files."""

    exposures: list
    outcomes: list
    assignments: list


def logs(world: World) -> Logs:
    """The rows, by the seed alone."""
    rng = np.random.default_rng(world.seed)
    names, weights = list(world.arms), np.array([arm.weight for arm in world.arms.values()], dtype=float)
    found = Logs([], [], [])
    for number in range(world.users):
        arm = names[int(rng.choice(len(names), p=weights / weights.sum()))]
        _user(world, found, rng, number, arm)
    return found


def _user(world, found, rng, number, name):
    user = hashlib.sha256(f"{world.seed}-{number}".encode()).hexdigest()
    liking = rng.beta(1.2, 2.4) * 3
    visits = int(min(rng.pareto(1.3) + 1, 30))
    first = rng.random() * world.days
    device = "web" if rng.random() < 0.6 else "app"
    if world.history:
        for visit in range(int(min(rng.pareto(1.3) + 1, 30))):
            at = START - timedelta(days=1 + rng.random() * 20)
            _list(world, found, rng, f"h-{number}-{visit}", user, Arm(), at, liking, {"device": device})
    arm = world.arms[name]
    for visit in range(visits):
        at = START + timedelta(days=first + (world.days - first) * rng.random() if visit else first)
        request = f"r-{world.seed}-{number}-{visit}"
        own = {"device": device, "experiment_id": world.experiment, "experiment_variant": name}
        _list(world, found, rng, request, user, arm, at, liking, own)
        found.assignments.append(
            {"experiment_id": world.experiment, "variant": name, "request_id": request, "user_id": user,
             "ts": stamp(at), "context": {"device": device, "loyalty": f"{liking:.3f}"}}
        )  # fmt: skip


def _list(world, found, rng, request, user, arm, at, liking, context):
    surface = "home" if rng.random() < 0.7 else "item_page"
    context = {"tenant_id": "demo", "surface": surface, **context}
    failed, nothing = rng.random() < arm.error, rng.random() < arm.empty
    items = [] if failed or nothing else [
        {"item_id": f"i{item}", "rank": rank} for rank, item in enumerate(rng.permutation(30)[:5], start=1)
    ]  # fmt: skip
    found.exposures.append(
        {"request_id": request, "user_id": user, "ts": stamp(at), "items": items, "context": context,
         "latency_ms": round(float(rng.lognormal(2, 0.4)) * arm.slow, 3), "error": bool(failed)}
    )  # fmt: skip
    for item in items:
        if rng.random() >= min(arm.click * liking / len(items), 1):
            continue
        told = request if rng.random() >= arm.lost else f"lost-{request}"
        row = {"request_id": told, "user_id": user, "item_id": item["item_id"], "context": context}
        found.outcomes.append({**row, "event_type": "click", "ts": stamp(at + timedelta(seconds=20))})
        if rng.random() < arm.buy:
            found.outcomes.append(
                {**row, "event_type": "conversion", "ts": stamp(at + timedelta(seconds=90)),
                 "value": round(float(rng.lognormal(3, 1.2)), 2)}
            )  # fmt: skip


def stamp(at):
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write(found: Logs, folder, shuffle=None, parts=1):
    """The three logs as JSON lines in ``folder``, each in so many files, in another order with a seed to shuffle by;
    returns what the options of a command are."""
    folder.mkdir(parents=True, exist_ok=True)
    options = {}
    for role in ("exposures", "outcomes", "assignments"):
        rows = list(getattr(found, role))
        if shuffle is not None:
            np.random.default_rng(shuffle).shuffle(rows)
        for part in range(parts):
            text = "".join(json.dumps(row) + "\n" for row in rows[part::parts])
            (folder / f"{role}-{part}.jsonl").write_text(text)
        options[role] = [str(folder / f"{role}-*.jsonl")]
    return options

"""The ranking again in plain Python, from rows and sets: slow, without numpy, and written from the definitions."""

import math
from dataclasses import dataclass

DAY = 86_400_000_000


@dataclass(frozen=True)
class World:
    """``items``: id → tags; ``events``: (user, item, ts in µs) in any order."""

    items: dict
    events: list
    half_life_days: float
    window_days: float

    def before(self, now):
        return [event for event in self.events if now is None or event[2] <= now]

    def popularity(self, now):
        seen = self.before(now)
        if not seen:
            return None
        newest = max(ts for _, _, ts in seen)
        age = {item: [] for item in self.items}
        for _, item, ts in seen:
            age[item].append((newest - ts) / (self.half_life_days * DAY))
        return {item: math.fsum(2.0**-a for a in ages) for item, ages in age.items()}

    def window(self, now):
        seen = self.before(now)
        clock = max((ts for _, _, ts in seen), default=0) if now is None else now
        start = math.floor((clock - self.window_days * DAY) / DAY) * DAY
        return [event for event in seen if event[2] >= start]

    def co_visitation(self, anchors, subject, now, recent):
        window = self.window(now)
        if not self.events:
            return None
        users = {item: {u for u, i, _ in window if i == item} for item in self.items}
        history = []
        # events of one user at one moment are ordered by item, as the store orders them
        for _, item, _ in sorted((e for e in window if e[0] == subject), key=lambda e: (e[2], e[1]), reverse=True):
            if item not in history:
                history.append(item)
        history = [item for item in history[:recent] if item not in anchors]
        if not anchors and not history:
            return None
        total = dict.fromkeys(self.items, 0.0)
        for group in (anchors, history):
            for context in group:
                for item in self.items:
                    both = len(users[context] & users[item])
                    if both and item != context:
                        total[item] += both / math.sqrt(len(users[context]) * len(users[item])) / len(group)
        return total


def rank(world, query, recent):
    """(items as (id, score, reasons), counts, warning codes) for a Query."""
    known = [item for item in dict.fromkeys(query.anchors) if item in world.items]
    candidates, pool, fitting = choose(world, query)
    weights = {"pop": query.weights.pop, "cooc": query.weights.cooc}
    signals = {
        "pop": world.popularity(query.now_us) if weights["pop"] else None,
        "cooc": world.co_visitation(known[: query.max_anchors], query.subject, query.now_us, recent)
        if weights["cooc"]
        else None,
    }
    greatest = {name: max((s[i] for i in fitting), default=0) if s else 0 for name, s in signals.items()}
    live = [name for name in weights if greatest[name] > 0]
    total = sum(weights.values())
    score = {i: round(sum(weights[n] / total * signals[n][i] / greatest[n] for n in live), 12) for i in fitting}
    kept, capped = cap(world, query, sorted(fitting, key=lambda item: (-score[item], item)))

    names = {"pop": "recent_popularity", "cooc": "co_visitation"}
    items = []
    for item in kept:
        reasons = tuple(names[n] for n in live if signals[n][item] > 0) if query.include_reasons else ()
        items.append((item, score[item], reasons))
    codes = ["SIGNAL_UNAVAILABLE" for name in weights if weights[name] and name not in live]
    if "cooc" in live and len(known) < len(set(query.anchors)):
        codes.append("SIGNAL_PARTIAL")
    if len(fitting) < len(pool) or capped:
        codes.append("CONSTRAINTS_FILTERED")
    if (query.include is not None and len(fitting) < len(set(query.include))) or query.include == []:
        codes.append("CANDIDATES_INCLUDE_FILTERED" if fitting else "CANDIDATES_INCLUDE_EMPTY")
    return items, (candidates, candidates - len(fitting) + capped, len(kept)), codes


def folded(tags):
    return {tag.casefold() for tag in tags}


def choose(world, query):
    """How many could be ranked; those neither excluded nor anchors; and those of them whose tags fit."""
    pool = set(world.items) if query.include is None else set(query.include) & set(world.items)
    candidates = len(pool)
    pool -= set(query.exclude) | set(query.anchors)
    required, forbidden = folded(query.required_tags), folded(query.forbidden_tags)
    fitting = {
        item
        for item in pool
        if (not required or folded(world.items[item]) & required) and not folded(world.items[item]) & forbidden
    }
    return candidates, pool, fitting


def cap(world, query, ordered):
    """The first k of ``ordered`` under max_per_tag, and how many were passed over before the list was full."""
    left = {}
    for tag, most in query.max_per_tag.items():
        left[tag.casefold()] = min(most, left.get(tag.casefold(), most))
    kept, capped = [], 0
    for item in ordered:
        if len(kept) == query.k:
            break
        tags = folded(world.items[item]) & left.keys()
        if any(left[tag] == 0 for tag in tags):
            capped += 1
            continue
        for tag in tags:
            left[tag] -= 1
        kept.append(item)
    return kept, capped

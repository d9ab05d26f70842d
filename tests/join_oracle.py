"""The join once more, in plain Python, straight from the words of the contract: slow, small, and independent."""

from collections import Counter, defaultdict
from datetime import datetime

FATES = (
    "invalid", "duplicate", "orphan", "ambiguous", "not_in_list", "before_exposure", "after_window", "attributed",
)  # fmt: skip


def micros(text):
    moment = datetime.fromisoformat(text.upper().replace("Z", "+00:00"))
    delta = moment - datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def pairs(exposure):
    return tuple(sorted((item["rank"], item["item_id"]) for item in exposure["items"]))


def shown(exposure):
    """Item ids by ordinal rank, each once."""
    seen = []
    for _, item in pairs(exposure):
        if item not in seen:
            seen.append(item)
    return seen


def distinct_exposures(exposures):
    """request_id → [exposure, …], redeliveries left out: the earliest stands, then the smallest values."""
    chosen = {}
    for row in exposures:
        key = (row["request_id"], pairs(row))
        context = row.get("context", {})
        order = (
            micros(row["ts"]), row["user_id"], *((k in context, context.get(k, "")) for k in ("tenant_id", "surface")),
            row.get("latency_ms", -1), row.get("error", False),
        )  # fmt: skip
        if key not in chosen or order < chosen[key][0]:
            chosen[key] = (order, row)
    by_request = defaultdict(list)
    for (request, _), (_, row) in chosen.items():
        by_request[request].append(row)
    return by_request


def duplicates(outcomes):
    """Positions of outcomes that are not the first of their event_id, or not the first of their key."""

    def order(row):
        context = row.get("context", {})
        return (
            micros(row["ts"]), row["user_id"], "value" in row, row.get("value", 0), row["request_id"], row["item_id"],
            row["event_type"], "event_id" in row, row.get("event_id", ""),
            *((k in context, context.get(k, "")) for k in ("tenant_id", "surface")),
        )  # fmt: skip

    groups = defaultdict(list)
    for place, row in enumerate(outcomes):
        groups["key", row["request_id"], row["item_id"], row["event_type"], micros(row["ts"])].append(place)
        if "event_id" in row:
            groups["event", row["event_id"]].append(place)
    copies = set()
    for members in groups.values():
        copies.update(sorted(members, key=lambda place: order(outcomes[place]))[1:])
    return copies


def fates(exposures, outcomes, *, tolerance_us=5_000_000, windows_us=None):
    """The fate of each outcome, in order, and the shown rank where it is attributed."""
    by_request = distinct_exposures(exposures)
    copies = duplicates(outcomes)
    return [
        ("duplicate", None) if place in copies else _fate(row, by_request, tolerance_us, windows_us or {})
        for place, row in enumerate(outcomes)
    ]


def _fate(outcome, by_request, tolerance_us, windows_us):
    found = by_request.get(outcome["request_id"], [])
    if not found:
        return "orphan", None
    if len(found) > 1:
        return "ambiguous", None
    items = shown(found[0])
    if outcome["item_id"] not in items:
        return "not_in_list", None
    late = micros(outcome["ts"]) - micros(found[0]["ts"])
    if late < -tolerance_us:
        return "before_exposure", None
    window = windows_us.get(outcome["event_type"])
    if window is not None and late > window:
        return "after_window", None
    return "attributed", items.index(outcome["item_id"]) + 1


def fate_counts(exposures, outcomes, **policy):
    return Counter(fate for fate, _ in fates(exposures, outcomes, **policy))


def join_rate(exposures, outcomes):
    """(exposures that share a request_id with a valid outcome, distinct exposures)."""
    named = {row["request_id"] for row in outcomes}
    rows = [row for group in distinct_exposures(exposures).values() for row in group]
    return sum(row["request_id"] in named for row in rows), len(rows)

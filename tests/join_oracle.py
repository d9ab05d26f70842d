"""The join once more, in plain Python, straight from the words of the contract: slow, small, and independent."""

from collections import Counter, defaultdict
from datetime import datetime

FATES = (
    "invalid", "duplicate", "orphan", "ambiguous", "not_in_list", "before_exposure", "after_window", "user_mismatch",
    "later_touch", "attributed",
)  # fmt: skip
POLICY_FATES = {"user_mismatch", "later_touch"}
"""Those that the default policy never gives."""
DAY_US = 86_400_000_000


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
            row.get("latency_ms", -1), ("error" in row, row.get("error", False)),
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


def fates(
    exposures, outcomes, *, tolerance_us=5_000_000, windows_us=None, not_in_list="refuse", user_mismatch="count",
    touch="every",
):  # fmt: skip
    """The fate of each outcome, in order, and the shown rank where it is attributed. ``tolerance_us`` may be None."""
    by_request = distinct_exposures(exposures)
    copies = duplicates(outcomes)
    found = []
    for place, row in enumerate(outcomes):
        if place in copies:
            found.append(("duplicate", None))
            continue
        fate, rank = _fate(row, by_request, tolerance_us, windows_us or {}, not_in_list == "count")
        if fate == "attributed" and user_mismatch == "refuse" and mismatches(row, by_request[row["request_id"]][0]):
            fate, rank = "user_mismatch", None
        found.append((fate, rank))
    return _first_touches(outcomes, found) if touch == "first" else found


def _fate(outcome, by_request, tolerance_us, windows_us, off_list_counts):
    found = by_request.get(outcome["request_id"], [])
    if not found:
        return "orphan", None
    if len(found) > 1:
        return "ambiguous", None
    items = shown(found[0])
    listed = outcome["item_id"] in items
    if not listed and not off_list_counts:
        return "not_in_list", None
    late = micros(outcome["ts"]) - micros(found[0]["ts"])
    if tolerance_us is not None and late < -tolerance_us:
        return "before_exposure", None
    window = windows_us.get(outcome["event_type"])
    if window is not None and late > window:
        return "after_window", None
    return "attributed", items.index(outcome["item_id"]) + 1 if listed else None


def anonymous(exposure):
    return exposure.get("context", {}).get("anonymous") == "true"


def mismatches(outcome, exposure):
    """Whether the outcome has another user than the exposure, as far as that knew anybody."""
    return not anonymous(exposure) and outcome["user_id"] != exposure["user_id"]


def _first_touches(outcomes, found):
    earliest = {}
    for row, (fate, _) in zip(outcomes, found, strict=True):
        if fate == "attributed":
            key = (row["request_id"], row["item_id"], row["event_type"])
            earliest[key] = min(earliest.get(key, micros(row["ts"])), micros(row["ts"]))
    return [
        ("later_touch", None)
        if fate == "attributed" and micros(row["ts"]) > earliest[row["request_id"], row["item_id"], row["event_type"]]
        else (fate, rank)
        for row, (fate, rank) in zip(outcomes, found, strict=True)
    ]


def credits(exposures, outcomes, *, credit="last", tolerance_us=5_000_000, windows_us=None, fallback_us=None):
    """For each outcome the exposures that an orphan is credited to: [(request_id, shown rank), …], best first."""
    by_request = distinct_exposures(exposures)
    lists = [rows[0] for rows in by_request.values() if len(rows) == 1 and not anonymous(rows[0])]
    found = []
    for row, (fate, _) in zip(outcomes, fates(exposures, outcomes), strict=True):
        own = (windows_us or {}).get(row["event_type"])
        back = next(limit for limit in (fallback_us, own, DAY_US) if limit is not None)
        fitting = [
            (micros(each["ts"]), each["request_id"], shown(each).index(row["item_id"]) + 1)
            for each in lists
            if fate == "orphan"
            and each["user_id"] == row["user_id"]
            and row["item_id"] in shown(each)
            and -tolerance_us <= micros(row["ts"]) - micros(each["ts"]) <= back
        ]
        fitting.sort(key=lambda each: (each[0] if credit == "first" else -each[0], each[1]))
        found.append([(request, rank) for _, request, rank in (fitting if credit == "all" else fitting[:1])])
    return found


def relevant(outcomes, found, credited=()):
    """Request → the ranks of its relevant items, None for each that was in no list: by fates, and by credits."""
    items = {
        (row["request_id"], rank if rank is not None else row["item_id"])
        for row, (fate, rank) in zip(outcomes, found, strict=True)
        if fate == "attributed"
    } | {pair for pairs_ in credited for pair in pairs_}
    ranks = defaultdict(list)
    for request, item in items:
        ranks[request].append(item if isinstance(item, int) else None)
    return {request: Counter(listed) for request, listed in ranks.items()}


def fate_counts(exposures, outcomes, **policy):
    return Counter(fate for fate, _ in fates(exposures, outcomes, **policy))


def join_rate(exposures, outcomes):
    """(exposures that share a request_id with a valid outcome, distinct exposures)."""
    named = {row["request_id"] for row in outcomes}
    rows = [row for group in distinct_exposures(exposures).values() for row in group]
    return sum(row["request_id"] in named for row in rows), len(rows)

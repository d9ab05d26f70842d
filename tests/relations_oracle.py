"""Every relation once more, in plain Python, straight from the logs and the words of the contract.

A twin is a function of a ``World`` that gives the rows of one relation, as dictionaries. ``row_number`` is whatever an
engine likes, and is left out. Whoever adds a relation adds its twin here, or ``test_every_relation_has_a_twin`` fails.
"""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cached_property, wraps

import join_oracle as joining
from join_oracle import micros, pairs, shown
from recsys.attribution.policy import Policy

DAY = 86_400_000_000
HOUR = 3_600_000_000
N_SLICES = 8
SLICES = [f"slice_{n}" for n in range(1, N_SLICES + 1)]
TWINS = {}


def twin(function):
    """Registers a twin under the name of its relation; of one world it is asked once."""

    @wraps(function)
    def once(world):
        if function.__name__ not in world.made:
            world.made[function.__name__] = function(world)
        return world.made[function.__name__]

    TWINS[function.__name__] = once
    return once


@dataclass
class World:
    """Logs as they are written, the slice keys and the policy."""

    exposures: list[dict]
    outcomes: list[dict]
    assignments: list[dict] = field(default_factory=list)
    keys: tuple[str, ...] = ("tenant_id", "surface")
    policy: Policy = field(default_factory=Policy)
    made: dict[str, list[dict]] = field(default_factory=dict, repr=False)

    def slices(self, row, own=None):
        """The slice columns of a row of a log."""
        context = {**(own or {}), **row.get("context", {})}
        values = [context.get(key) for key in self.keys]
        return dict(zip(SLICES, values + [None] * (N_SLICES - len(values)), strict=True))

    @cached_property
    def lists(self):
        """Request → its distinct lists: of the copies of each the first one."""
        copies = defaultdict(list)
        for row, staged in zip(self.exposures, staged_exposures(self), strict=True):
            copies[row["request_id"], pairs(row)].append(staged)
        found = defaultdict(list)
        for (request, _), rows in copies.items():
            found[request].append(min(rows, key=_first_copy))
        return found

    @cached_property
    def windows_us(self):
        return {kind: _micros(limit) for kind, limit in self.policy.windows_s.items()}

    @cached_property
    def copies(self):
        """Place of each outcome that is a copy → whether it differs."""
        return _copies(staged_outcomes(self))

    def _of_originals(self, found, copy):
        """What was found of the outcomes that are no copies, with ``copy`` in the places of those that are."""
        rest = iter(found)
        return [copy if place in self.copies else next(rest) for place in range(len(self.outcomes))]

    @cached_property
    def originals(self):
        return [row for place, row in enumerate(self.outcomes) if place not in self.copies]

    def fates(self, touch):
        """(fate, rank where attributed) of each outcome."""
        found = joining.fates(
            self.exposures, self.originals, tolerance_us=_micros(self.policy.tolerance_s), windows_us=self.windows_us,
            not_in_list=self.policy.not_in_list, user_mismatch=self.policy.user_mismatch, touch=touch,
        )  # fmt: skip
        return self._of_originals(found, ("duplicate", None))

    @cached_property
    def credits(self):
        """The exposures that each outcome is credited to by inference: [(request, rank), …]."""
        if self.policy.fallback is None:
            return [[] for _ in self.outcomes]
        found = joining.credits(
            self.exposures, self.originals, credit=self.policy.fallback.credit, windows_us=self.windows_us,
            tolerance_us=_micros(self.policy.tolerance_s), fallback_us=_micros(self.policy.fallback.window_s),
        )  # fmt: skip
        return self._of_originals(found, [])


def _micros(seconds):
    return None if seconds is None else round(seconds * 1_000_000)


def _number(value):
    return None if value is None else float(value)


def _nulls_first(value):
    return (value is not None, value if value is not None else "")


def _first_copy(row):
    latency = row["latency_ms"]
    return (
        row["ts_us"], row["user_id"], *(_nulls_first(row[name]) for name in SLICES),
        (latency is not None, latency or 0), (row["error"] is not None, row["error"]),
        row["anonymous"], row["zero_propensity"],
    )  # fmt: skip


def _by(rows, *names):
    """Rows in groups of equal values of these columns."""
    groups = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in names)].append(row)
    return [(dict(zip(names, values, strict=True)), members) for values, members in groups.items()]


@twin
def staged_exposures(world):
    return [_staged_exposure(world, row) for row in world.exposures]


def _staged_exposure(world, row):
    ranks = [rank for rank, _ in pairs(row)]
    items = shown(row)
    usual = ranks == list(range(1, len(ranks) + 1)) and len(items) == len(ranks)
    told = [{"rank": rank, "item_id": item} for rank, item in pairs(row)]
    return {
        "request_id": row["request_id"],
        "user_id": row["user_id"],
        "ts_us": micros(row["ts"]),
        "shown": tuple(items),
        "odd_pairs": None if usual else json.dumps(told, ensure_ascii=False, separators=(",", ":")),
        "n_items": len(items),
        "repeated_rank": len(set(ranks)) < len(ranks),
        "repeated_item": len(items) < len(ranks),
        "rank_gap": len(set(ranks)) < max(ranks, default=0),
        "zero_propensity": any(
            item.get(name) == 0 for item in row["items"] for name in ("propensity", "logging_propensity")
        ),
        "latency_ms": _number(row.get("latency_ms")),
        "error": row.get("error"),
        "anonymous": row.get("context", {}).get("anonymous") == "true",
        **world.slices(row),
    }


@twin
def staged_outcomes(world):
    return [
        {
            **{name: row[name] for name in ("request_id", "user_id", "item_id", "event_type")},
            "ts_us": micros(row["ts"]),
            "value": _number(row.get("value")),
            "event_id": row.get("event_id"),
            **world.slices(row),
        }
        for row in world.outcomes
    ]


@twin
def staged_assignments(world):
    return [
        {
            **{name: row[name] for name in ("experiment_id", "variant", "request_id", "user_id")},
            "ts_us": micros(row["ts"]),
            **world.slices(row, {"experiment_id": row["experiment_id"], "experiment_variant": row["variant"]}),
        }
        for row in world.assignments
    ]


@twin
def policy(world):
    types, [row] = world.policy.table()
    return [dict(zip(types, row, strict=True))]


@twin
def repeated_requests(world):
    counted = Counter(row["request_id"] for row in world.exposures)
    return [{"request_id": request} for request, n in counted.items() if n > 1]


@twin
def exposures(world):
    return [{**row, "ambiguous": len(rows) > 1} for rows in world.lists.values() for row in rows]


@twin
def settled_exposures(world):
    repeated = {row["request_id"] for row in repeated_requests(world)}
    return [row for row in exposures(world) if row["request_id"] in repeated]


def _copies(rows):
    """Place of each row that is not the first of its key or of its event → whether it differs from a first one."""
    groups = defaultdict(list)
    for place, row in enumerate(rows):
        groups[row["request_id"], row["item_id"], row["event_type"], row["ts_us"]].append(place)
        if row["event_id"] is not None:
            groups[row["event_id"],].append(place)

    def order(place):
        row = rows[place]
        return (
            row["ts_us"], row["user_id"], (row["value"] is not None, row["value"] or 0), row["request_id"],
            row["item_id"], row["event_type"], *(_nulls_first(row[name]) for name in ("event_id", *SLICES)), place,
        )  # fmt: skip

    compared = ("request_id", "item_id", "event_type", "ts_us", "user_id", "value")
    found = defaultdict(bool)
    for members in groups.values():
        first, *others = sorted(members, key=order)
        for place in others:
            found[place] |= any(rows[place][name] != rows[first][name] for name in compared)
    return found


def _agreed(rows, name):
    values = {row[name] for row in rows}
    return values.pop() if len(values) == 1 else None


def _slices_of(world, row, assigned):
    """Through the exposure, else what all lists of an ambiguous request agree on, else the assignment, else its own."""
    lists = world.lists.get(row["request_id"], [])
    found = {}
    for name in SLICES:
        given = [each[name] for each in assigned[row["request_id"]] if each[name] is not None]
        sources = (_agreed(lists, name), min(given, default=None), row[name])
        found[name] = next((value for value in sources if value is not None), None)
    return found


@twin
def outcome_matches(world):
    rows = staged_outcomes(world)
    copies = world.copies
    assigned = defaultdict(list)
    for row in staged_assignments(world):
        assigned[row["request_id"]].append(row)
    found = []
    for place, row in enumerate(rows):
        lists = world.lists.get(row["request_id"], [])
        one = lists[0] if len(lists) == 1 else None
        listed = one is not None and row["item_id"] in one["shown"]
        found.append(
            {
                **row,
                "is_copy": place in copies,
                "conflicting": copies.get(place, False),
                "has_exposure": one is not None,
                "is_ambiguous": len(lists) > 1,
                "shown_rank": one["shown"].index(row["item_id"]) + 1 if listed else None,
                "exposure_ts_us": one and one["ts_us"],
                "exposure_user_id": one and one["user_id"],
                "user_mismatch": one is not None and not one["anonymous"] and row["user_id"] != one["user_id"],
                "anonymous": one is not None and one["anonymous"],
                **_slices_of(world, row, assigned),
            }
        )
    return found


def _with_fates(world, touch):
    left_out = {"is_copy", "has_exposure", "is_ambiguous"}
    return [
        {**{name: value for name, value in row.items() if name not in left_out}, "fate": fate}
        for row, (fate, _) in zip(outcome_matches(world), world.fates(touch), strict=True)
    ]


@twin
def outcome_verdicts(world):
    return _with_fates(world, "every")


@twin
def outcome_fates(world):
    return _with_fates(world, world.policy.touch)


@twin
def first_touches(world):
    counted = [row for row in outcome_verdicts(world) if row["fate"] == "attributed"]
    return [
        {**key, "ts_us": min(row["ts_us"] for row in rows)}
        for key, rows in _by(counted, "request_id", "item_id", "event_type")
        if len(rows) > 1 and world.policy.touch == "first"
    ]


def _placed(by_request):
    """Rows of relevant items: those with a rank by rank, then those that no list held."""
    return [
        {"request_id": request, "item_rank": rank, "place": place}
        for request, ranks in by_request.items()
        for place, rank in enumerate(sorted(ranks.elements(), key=lambda rank: (rank is None, rank)), 1)
    ]


@twin
def relevant(world):
    return _placed(joining.relevant(world.outcomes, world.fates(world.policy.touch)))


@twin
def relevant_or_inferred(world):
    return _placed(joining.relevant(world.outcomes, world.fates(world.policy.touch), world.credits))


@twin
def inferred_credits(world):
    by_request = {request: rows[0] for request, rows in world.lists.items()}
    names = ("request_id", "user_id", "item_id", "event_type", "ts_us", "value")
    return [
        {
            **{name: row[name] for name in names},
            "exposure_request_id": request,
            "exposure_ts_us": by_request[request]["ts_us"],
            "shown_rank": rank,
            "place": place,
            "n_exposures": len(credited),
        }
        for row, credited in zip(staged_outcomes(world), world.credits, strict=True)
        for place, (request, rank) in enumerate(credited, 1)
    ]


@twin
def inferred_outcomes(world):
    return [{"inferred": sum(bool(credited) for credited in world.credits)}]


@twin
def joined_requests(world):
    named = {(row["request_id"], row["event_type"]) for row in world.outcomes}
    return [{"request_id": request, "event_type": kind} for request, kind in named]


@twin
def exposure_counts(world):
    named = defaultdict(set)
    for row in world.outcomes:
        named[row["request_id"]].add(row["event_type"])
    rows = [{**row, "day": row["ts_us"] // DAY} for row in exposures(world)]
    flags = ("ambiguous", "error", "anonymous", "repeated_rank", "repeated_item", "rank_gap", "zero_propensity")
    return [
        {
            **key,
            "n": len(members),
            "joined": sum(row["request_id"] in named for row in members),
            "joined_click": sum("click" in named.get(row["request_id"], ()) for row in members),
            "joined_conversion": sum("conversion" in named.get(row["request_id"], ()) for row in members),
            "impressions": sum(row["n_items"] for row in members),
            "empty": sum(not row["shown"] for row in members),
            **{name: sum(bool(row[name]) for row in members) for name in flags},
            "first_ts_us": min(row["ts_us"] for row in members),
            "last_ts_us": max(row["ts_us"] for row in members),
        }
        for key, members in _by(rows, "day", *SLICES)
    ]


@twin
def fate_counts(world):
    rows = [{**row, "day": row["ts_us"] // DAY} for row in outcome_fates(world)]
    return [{**key, "n": len(members)} for key, members in _by(rows, "day", "event_type", *SLICES, "fate")]


@twin
def hours(world):
    unmatched = {"orphan", "ambiguous"}
    found = defaultdict(lambda: [0, 0, 0])
    for row in exposures(world):
        found[row["ts_us"] // HOUR][0] += 1
    for row in outcome_fates(world):
        counts = found[row["ts_us"] // HOUR]
        counts[1] += row["fate"] != "duplicate"
        counts[2] += row["fate"] != "duplicate" and row["fate"] not in unmatched
    return [
        {"hour": hour, "exposures": shown_, "outcomes": done, "matched": matched}
        for hour, (shown_, done, matched) in found.items()
    ]


@twin
def joined_outcomes(world):
    left_out = {"ts_us", "exposure_ts_us", "exposure_user_id"}
    return [
        {
            **{name: value for name, value in row.items() if name not in left_out},
            "ts": row["ts_us"],
            "exposure_ts": row["exposure_ts_us"],
            "inferred_request_id": credited[0][0] if credited else None,
            "inferred_exposures": len(credited) or None,
        }
        for row, credited in zip(outcome_fates(world), world.credits, strict=True)
    ]


@twin
def list_lengths(world):
    counted = Counter(row["n_items"] for row in exposures(world))
    return [{"n_items": length, "n": n} for length, n in counted.items()]


@twin
def outcome_flags(world):
    rows = outcome_fates(world)
    fresh = [row for row in rows if row["fate"] != "duplicate"]
    return [
        {
            "conflicting": sum(row["conflicting"] for row in rows),
            "user_mismatch": sum(row["user_mismatch"] for row in fresh),
            "anonymous": sum(row["anonymous"] for row in fresh),
        }
    ]


@twin
def users(world):
    return [{"users": len({row["user_id"] for row in exposures(world)})}]


@twin
def clicks_by_rank(world):
    clicks = Counter(
        row["shown_rank"]
        for row in outcome_fates(world)
        if row["fate"] == "attributed" and row["event_type"] == "click" and row["shown_rank"] is not None
    )
    return [{"shown_rank": rank, "clicks": n} for rank, n in clicks.items()]

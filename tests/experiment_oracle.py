"""The relations of experiments once more, in plain Python, from the words of the contract: one function a relation.

Each takes the logs (lists of dicts as they stand in the files), the parameters and the policy of the fates, and gives
the rows of the relation of its name, in any order, with the columns in the order of the SQL. ``RELATIONS`` lists them.
"""

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cached_property

import join_oracle
from join_oracle import micros

MILLION = 1_000_000
PLACES = 8
"""Slice columns of a relation, of which most have no key."""


@dataclass(frozen=True)
class Asked:
    """The one row of ``experiment``, the keyword arguments of ``join_oracle.fates``, and the slice keys."""

    experiment_id: str
    scope: str = "request"
    as_of_us: int | None = None
    window_us: int = 0
    tolerance_us: int = 5_000_000
    policy: dict = field(default_factory=dict)
    keys: tuple = ("tenant_id", "surface")

    @property
    def row(self):
        """The row of the table ``experiment``."""
        return self.experiment_id, self.scope, self.as_of_us, self.window_us, self.tolerance_us


@dataclass(frozen=True)
class Logs:
    """Rows as they stand in the files, all valid."""

    exposures: list
    outcomes: list
    assignments: list

    @cached_property
    def distinct(self):
        """Exposures without redeliveries, each with whether it is ambiguous."""
        by_request = join_oracle.distinct_exposures(self.exposures)
        return [(row, len(rows) > 1) for rows in by_request.values() for row in rows]

    @cached_property
    def nameless(self):
        """Requests of which an exposure knew nobody."""
        return {row["request_id"] for row, _ in self.distinct if join_oracle.anonymous(row)}


def seen(rows, asked):
    """Those that are not later than ``as_of_us``."""
    return [row for row in rows if asked.as_of_us is None or micros(row["ts"]) <= asked.as_of_us]


def is_nobody(logs, assignment):
    """Whether an assignment row names nobody."""
    return assignment["user_id"] == assignment["request_id"] or assignment["request_id"] in logs.nameless


def slices(row, asked, **own):
    """The values of the slice keys in the context of a row, else in ``own``."""
    values = {**own, **row.get("context", {})}
    return tuple(values.get(key) for key in [*asked.keys, *[None] * PLACES][:PLACES])


def nameless_requests(logs, asked):
    return [(request,) for request in logs.nameless]


def subject_assignments(logs, asked):
    return [
        (*(row[name] for name in ("experiment_id", "variant", "request_id", "user_id")), micros(row["ts"]),
         is_nobody(logs, row),
         *slices(row, asked, experiment_id=row["experiment_id"], experiment_variant=row["variant"]))
        for row in seen(logs.assignments, asked)
    ]  # fmt: skip


def assigned_units(logs, asked):
    rows = defaultdict(list)
    for row in seen(logs.assignments, asked):
        if not is_nobody(logs, row):
            rows[row["experiment_id"], row["user_id"]].append((micros(row["ts"]), row["request_id"], row["variant"]))
    return [
        (*key, min(found)[2], min(found)[0], len({variant for _, _, variant in found}) > 1)
        for key, found in rows.items()
    ]


def experiment_units(logs, asked):
    return [row[1:] for row in assigned_units(logs, asked) if row[0] == asked.experiment_id]


def first_assignments(logs, asked):
    units = {row[0]: row for row in experiment_units(logs, asked)}
    rows = defaultdict(list)
    for name, variant, request, user, ts, nobody, *values in subject_assignments(logs, asked):
        if name == asked.experiment_id and not nobody:
            order = ts, request, variant, [(value is not None, value or "") for value in values]
            rows[user].append((order, values))
    return [(*units[user][:3], *min(found)[1]) for user, found in rows.items()]


def own_assignments(logs, asked):
    """The rows of the experiment."""
    return [row for row in seen(logs.assignments, asked) if row["experiment_id"] == asked.experiment_id]


def repeated_assignments(logs, asked):
    rows = Counter(row["request_id"] for row in own_assignments(logs, asked))
    return [(request,) for request, n in rows.items() if n > 1]


def assigned_requests(logs, asked):
    users, variants, nobody = defaultdict(set), defaultdict(set), {}
    for row in own_assignments(logs, asked):
        key = row["request_id"], row["user_id"]
        users[key[0]].add(key[1])
        variants[key].add(row["variant"])
        nobody[key] = is_nobody(logs, row)
    return [(*key, min(names), nobody[key], len(users[key[0]]) > 1) for key, names in variants.items()]


def experiment_exposures(logs, asked):
    units = {user: (variant, first) for user, variant, first, _ in experiment_units(logs, asked)}
    named = defaultdict(dict)
    for request, user, variant, *_ in assigned_requests(logs, asked):
        named[request][user] = variant
    found = []
    for row, ambiguous in logs.distinct:
        request, user, ts = row["request_id"], row["user_id"], micros(row["ts"])
        if (user not in units and request not in named) or not seen([row], asked):
            continue
        variant, first = units.get(user, (None, None))
        found.append(
            (request, user, variant, ts, len(join_oracle.shown(row)), row.get("error"),
             latency(row), ambiguous, *slices(row, asked),
             request in named, named.get(request, {}).get(user),
             _standing(row, ambiguous, variant, first, named.get(request), asked))
        )  # fmt: skip
    return found


def latency(row):
    return float(row["latency_ms"]) if "latency_ms" in row else None


def _standing(row, ambiguous, variant, first, named, asked):
    ts, needs_own = micros(row["ts"]), asked.scope == "request"
    nobody = join_oracle.anonymous(row) or row["user_id"] == row["request_id"]
    foreign = variant is None or (needs_own and named is not None and row["user_id"] not in named)
    excluded = {
        "anonymous": nobody,
        "other_user": foreign,
        "before_assignment": not foreign and ts < first - asked.tolerance_us,
        "unassigned": needs_own and named is None,
        "ambiguous": ambiguous,
        "too_recent": asked.as_of_us is not None and ts + asked.window_us > asked.as_of_us,
    }
    return next((standing for standing, holds in excluded.items() if holds), "counts")


def experiment_lists(logs, asked):
    counts = Counter(row[1] for row in experiment_exposures(logs, asked) if row[-1] == "counts")
    return [(user, variant, two, counts[user]) for user, variant, _, two in experiment_units(logs, asked)]


def fixed_point(value):
    """Millionths, halves away from 0."""
    behind, before = math.modf(abs(value))
    behind *= MILLION
    size = int(before) * MILLION + int(behind) + (behind % 1 >= 0.5)
    return -size if value < 0 else size


def valued_outcomes(logs, asked):
    by_request = join_oracle.distinct_exposures(logs.exposures)
    found = []
    for row, (fate, _) in zip(
        logs.outcomes, join_oracle.fates(logs.exposures, logs.outcomes, **asked.policy), strict=True
    ):
        if fate == "duplicate" or (asked.as_of_us is not None and micros(row["ts"]) > asked.as_of_us):
            continue
        lists = by_request.get(row["request_id"], [])
        bought, value = row["event_type"] == "conversion", row.get("value")
        usable = bought and value is not None and abs(value) <= 10**12
        found.append(
            (row["request_id"], row["user_id"], row["event_type"], micros(row["ts"]), fate,
             lists[0]["user_id"] if len(lists) == 1 else None, fixed_point(value) if usable else 0,
             bought and value is None, bought and value is not None and not usable)
        )  # fmt: skip
    return found


def experiment_outcomes(logs, asked):
    counting = {row[0]: (row[1], row[2]) for row in experiment_exposures(logs, asked) if row[-1] == "counts"}
    return [
        (*counting[row[0]], row[0], row[2], row[3], *row[6:])
        for row in valued_outcomes(logs, asked)
        if row[4] == "attributed" and row[0] in counting
    ]


def experiment_relevant(logs, asked):
    units = {row[0]: row[2] for row in experiment_units(logs, asked)}
    lists = {row[0]: (row[1], row[-1]) for row in experiment_exposures(logs, asked)}
    fates = join_oracle.fates(logs.exposures, logs.outcomes, **asked.policy)
    kept = []
    for row, (fate, rank) in zip(logs.outcomes, fates, strict=True):
        user, standing = lists.get(row["request_id"], (None, None))
        early = standing == "before_assignment" and micros(row["ts"]) < units[user] - asked.tolerance_us
        if early or (standing == "counts" and seen([row], asked)):
            kept.append((row, (fate, rank)))
    found = join_oracle.relevant([row for row, _ in kept], [fate for _, fate in kept])
    return [
        (request, rank, place)
        for request, ranks in found.items()
        for place, rank in enumerate(sorted(ranks.elements(), key=lambda rank: (rank is None, rank or 0)), 1)
    ]


def log_exposures(logs, asked):
    found = []
    for row, ambiguous in logs.distinct:
        request, user, ts = row["request_id"], row["user_id"], micros(row["ts"])
        if not seen([row], asked):
            continue
        nobody = join_oracle.anonymous(row) or user == request
        young = asked.as_of_us is not None and ts + asked.window_us > asked.as_of_us
        standing = "anonymous" if nobody else "ambiguous" if ambiguous else "too_recent" if young else "counts"
        found.append(
            (request, user, "", ts, len(join_oracle.shown(row)), row.get("error"), latency(row), ambiguous,
             *slices(row, asked), standing)
        )  # fmt: skip
    return found


def log_units(logs, asked):
    firsts = defaultdict(list)
    for row in log_exposures(logs, asked):
        if row[-1] != "anonymous":
            firsts[row[1]].append(row[3])
    return [(user, "", min(found), False) for user, found in firsts.items()]


def log_lists(logs, asked):
    counts = Counter(row["user_id"] for row, _ in logs.distinct)
    return [(user, "", False, n) for user, n in counts.items()]


def log_outcomes(logs, asked):
    return [
        (row[5], "", row[0], row[2], row[3], *row[6:]) for row in valued_outcomes(logs, asked) if row[4] == "attributed"
    ]


def experiment_unit_sums(logs, asked, *, whole_log=False):
    lists, outcomes = (log_lists, log_outcomes) if whole_log else (experiment_lists, experiment_outcomes)
    done = defaultdict(list)
    for user, _, _, kind, _, value, absent, odd in outcomes(logs, asked):
        done[user].append((kind, value, absent, odd))
    found = []
    for user, variant, two, n in lists(logs, asked):
        rows = done[user]
        found.append(
            (user, variant, two, n, sum(kind == "click" for kind, *_ in rows),
             sum(kind == "conversion" for kind, *_ in rows), sum(whole(value) for _, value, *_ in rows),
             sum(part(value) for _, value, *_ in rows), sum(absent for _, _, absent, _ in rows),
             sum(odd for *_, odd in rows))
        )  # fmt: skip
    return found


def whole(value):
    return value // MILLION if value >= 0 else -(-value // MILLION)


def part(value):
    return value - whole(value) * MILLION


def experiment_moments(logs, asked, *, whole_log=False):
    arms = defaultdict(list)
    for _, variant, *rest in experiment_unit_sums(logs, asked, whole_log=whole_log):
        arms[variant].append(rest)
    found = []
    for variant, rows in arms.items():
        two, n, c, v, w, p, absent, odd = zip(*rows, strict=True)

        def product(a, b):
            return sum(x * y for x, y in zip(a, b, strict=True))

        found.append(
            (variant, len(rows), sum(two), sum(lists > 0 for lists in n), sum(absent), sum(odd), sum(n), product(n, n),
             sum(c), product(c, c), product(c, n), sum(v), product(v, v), product(v, n), sum(w), sum(p),
             product(w, w), product(w, p), product(p, p), product(w, n), product(p, n))
        )  # fmt: skip
    return found


def experiment_names(logs, asked):
    return [(name,) for name in {row["experiment_id"] for row in seen(logs.assignments, asked)}]


def experiment_assignments(logs, asked):
    rows = [row for row in subject_assignments(logs, asked) if row[0] == asked.experiment_id]
    requests, different = {row[2] for row in rows}, {row[:6] for row in rows}
    exposed = {row["request_id"] for row in seen(logs.exposures, asked)}
    named = Counter(row[3] for row in different if not row[5])
    return [
        (len(rows), len(rows) - len(different), sum(bool(row[5]) for row in different), len(requests),
         len(requests - exposed), sum(n > 1 for n in named.values()))
    ]  # fmt: skip


def experiment_standings(logs, asked):
    groups = defaultdict(list)
    for _, _, variant, _, n_items, error, *_, standing in experiment_exposures(logs, asked):
        groups[variant, standing].append((n_items == 0, bool(error)))
    return [(*key, len(rows), sum(empty for empty, _ in rows), sum(error for _, error in rows))
            for key, rows in groups.items()]  # fmt: skip


def unjoined_outcomes(logs, asked):
    rows = valued_outcomes(logs, asked)
    lost = [row for row in rows if row[4] in ("orphan", "ambiguous")]
    users = defaultdict(lambda: Counter())
    for _, user, kind, _, _, _, value, *_ in lost:
        sums = users[user]
        sums[kind] += 1
        side, size = ("r", value) if value > 0 else ("l", -value)
        sums[side + "w"] += whole(size)
        sums[side + "p"] += part(size)

    def product(a, b):
        return sum(sums[a] * sums[b] for sums in users.values())

    def total(name):
        return sum(sums[name] for sums in users.values())

    counts = [sum(row[2] == kind and row[4] == fate for row in lost)
              for kind in ("click", "conversion") for fate in ("orphan", "ambiguous")]  # fmt: skip
    values = [
        value
        for side in "rl"
        for value in (total(side + "w"), total(side + "p"), product(side + "w", side + "w"),
                      product(side + "w", side + "p"), product(side + "p", side + "p"))
    ]  # fmt: skip
    largest = max([0, *(row[6] for row in rows)])
    return [(*counts, product("click", "click"), product("conversion", "conversion"), *values, largest)]


def crossed_arms(logs, asked):
    units = [(name, user, variant) for name, user, variant, *_ in assigned_units(logs, asked)]
    cells = Counter(
        (first, arm, second, other)
        for first, user, arm in units
        for second, same, other in units
        if user == same and first < second
    )
    return [(*cell, n) for cell, n in cells.items()]


def served(logs, asked):
    """(assigned, shown or None) → exposures that count and name the experiment with a variant."""
    own, units = defaultdict(list), {row[0]: row[1] for row in experiment_units(logs, asked)}
    for row in seen(logs.assignments, asked):
        if row["experiment_id"] == asked.experiment_id:
            own[row["request_id"], row["user_id"]].append(row["variant"])
    contexts = {(row["request_id"], row["user_id"]): row.get("context", {}) for row, _ in logs.distinct}
    arms, found = set(units.values()), Counter()
    for request, user, *_, standing in experiment_exposures(logs, asked):
        context = contexts[request, user]
        shown = context.get("experiment_variant")
        if standing == "counts" and context.get("experiment_id") == asked.experiment_id and shown is not None:
            found[min(own.get((request, user), [units[user]])), shown if shown in arms else None] += 1
    return found


RELATIONS = {
    function.__name__: function
    for function in (
        nameless_requests, subject_assignments, assigned_units, experiment_units, first_assignments,
        repeated_assignments, assigned_requests, experiment_exposures,
        experiment_relevant, experiment_lists, valued_outcomes, experiment_outcomes, experiment_unit_sums, crossed_arms,
        experiment_assignments, experiment_moments, experiment_names, experiment_standings, unjoined_outcomes,
    )
}  # fmt: skip
"""Name → the function that gives the rows of the relation."""

_SLICES = " ".join(f"slice_{n}" for n in range(1, PLACES + 1))
_UNIT_SUMS = "clicks conversions value_whole value_part no_value odd_value"
_ROW = "request_id event_type ts_us value_micros no_value odd_value"
COLUMNS = {
    name: tuple(words.split())
    for name, words in {
        "nameless_requests": "request_id",
        "subject_assignments": f"experiment_id variant request_id user_id ts_us anonymous {_SLICES}",
        "assigned_units": "experiment_id user_id variant first_ts_us in_two_arms",
        "experiment_units": "user_id variant first_ts_us in_two_arms",
        "first_assignments": f"user_id variant first_ts_us {_SLICES}",
        "repeated_assignments": "request_id",
        "assigned_requests": "request_id user_id variant anonymous shared",
        "experiment_exposures":
            f"request_id user_id variant ts_us n_items error latency_ms ambiguous {_SLICES} "
            "assigned assigned_variant standing",
        "experiment_relevant": "request_id item_rank place",
        "experiment_lists": "user_id variant in_two_arms exposures",
        "valued_outcomes":
            "request_id user_id event_type ts_us fate exposure_user_id value_micros no_value odd_value",
        "experiment_outcomes": f"user_id variant {_ROW}",
        "experiment_unit_sums": f"user_id variant in_two_arms exposures {_UNIT_SUMS}",
        "crossed_arms": "experiment_id variant other_experiment_id other_variant units",
        "experiment_assignments": "assignment_rows repeated anonymous requests unexposed several",
        "experiment_moments":
            "variant units in_two_arms exposed no_value odd_value n nn c cc cn v vv vn w p ww wp pp wn pn",
        "experiment_names": "experiment_id",
        "experiment_standings": "variant standing n empty error",
        "unjoined_outcomes":
            "orphan_clicks ambiguous_clicks orphan_conversions ambiguous_conversions cc vv rw rp rwrw rwrp rprp "
            "lw lp lwlw lwlp lplp largest",
    }.items()
}  # fmt: skip
"""Name → the columns, in order, of the relation and of the rows of its twin."""

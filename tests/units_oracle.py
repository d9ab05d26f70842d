"""The sums over an experiment's units once more, in plain Python: from rows of the twins, with no engine."""

import hashlib
import math
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta

import experiment_oracle as oracle
import join_oracle
from experiment_oracle import experiment_exposures, experiment_units, valued_outcomes
from join_oracle import micros

SCORE = 2**40
LOWEST = math.floor(math.log(0.001) * 64 / math.log(2)) - 1
COLUMNS = (
    "exposures", "clicks", "conversions", "revenue", "errors", "empty", "responded", "score:hitrate@1", "score:mrr@2",
)  # fmt: skip


def fine(user):
    return int(hashlib.md5(f"recsys:{user}".encode()).hexdigest()[:3], 16)


def _place(name):
    return oracle.COLUMNS["experiment_exposures"].index(name)


def exposures(logs, asked):
    """Dicts of the columns of ``experiment_exposures``."""
    names = oracle.COLUMNS["experiment_exposures"]
    return [dict(zip(names, row, strict=True)) for row in experiment_exposures(logs, asked)]


def scores(ranks):
    """Of one list, by the ranks of its relevant items; None is one that it did not hold."""
    known = [rank for rank in ranks if rank is not None]
    first = min(known, default=math.inf)
    return {
        "responded": int(bool(ranks)),
        "score:hitrate@1": SCORE * (first <= 1),
        "score:mrr@2": SCORE // first if first <= 2 else 0,
    }


def sums_of(rows, outcomes, relevant):
    """Column → sum over exposures; ``outcomes`` and ``relevant`` by request."""
    total = Counter(dict.fromkeys(COLUMNS, 0))
    for row in rows:
        done = outcomes.get(row["request_id"], [])
        total.update(
            {
                "exposures": 1, "errors": int(bool(row["error"])), "empty": int(row["n_items"] == 0),
                "clicks": sum(kind == "click" for kind, _, _ in done),
                "conversions": sum(kind == "conversion" for kind, _, _ in done),
                "revenue": sum(value for _, _, value in done),
                **scores(relevant.get(row["request_id"], [])),
            }
        )  # fmt: skip
    return dict(total)


def _attributed(logs, asked):
    found = defaultdict(list)
    for request, _, kind, ts, fate, _, value, *_ in valued_outcomes(logs, asked):
        if fate == "attributed":
            found[request].append((kind, ts, value))
    return found


def unit_rows(logs, asked, place=None):
    """(slice, user) → its columns; of the whole '' is the slice. ``place`` is that of a slice column, or ``day``."""
    shown, outcomes = exposures(logs, asked), _attributed(logs, asked)
    relevant = defaultdict(list)
    for request, rank, _ in oracle.experiment_relevant(logs, asked):
        relevant[request].append(rank)
    units = {user: (variant, first - asked.tolerance_us) for user, variant, first, _ in experiment_units(logs, asked)}
    found = {}
    for user, (variant, end) in units.items():
        counting = [row for row in shown if row["user_id"] == user and row["standing"] == "counts"]
        earlier = [row for row in shown if row["user_id"] == user and row["standing"] == "before_assignment"]
        earlier = [row for row in earlier if not row["ambiguous"]]
        done = {request: [one for one in rows if one[1] < end] for request, rows in outcomes.items()}
        before = {f"pre_{name}": value for name, value in sums_of(earlier, done, relevant).items()}
        own = before | {"has_history": int(bool(earlier)), **covariate(logs, asked, user)}
        for value in {""} if place is None else {_value(row, place) for row in counting}:
            rows = [row for row in counting if place is None or _value(row, place) == value]
            found[value, user] = {"variant": variant, **sums_of(rows, outcomes, relevant), **own}
    return found


def _value(row, place):
    if place == "day":
        return str((datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=row["ts_us"])).date())
    return row[f"slice_{place}"] or "unknown"


def covariate(logs, asked, user):
    first = {row[0]: row[3:] for row in oracle.first_assignments(logs, asked)}[user]
    text = first[asked.keys.index("price")]
    known = {"3": 3_000_000, "-2.5": -2_500_000, "0.0000005": 1, "1e3": 10**9, ".5": 500_000, "7.": 7_000_000,
             "+1": 1_000_000}  # fmt: skip
    return {"covariate": known.get(text, 0), "has_covariate": int(text in known)}


def cap(rows, declared=None):
    """(micros, nonzero, cut): by counting, value by value."""
    amounts = sorted(row["revenue"] for row in rows.values() if row["revenue"])
    if not amounts and declared is None:
        return None
    limit = declared
    if limit is None:
        limit = max(next(v for v in amounts if 100 * sum(x <= v for x in amounts) >= 99 * len(amounts)), 0)
    return limit, len(amounts), sum(x > limit for x in amounts)


def capped(rows, limit):
    """The rows with revenue cut, beside what it was."""
    return {
        key: row | {"revenue_uncapped": row["revenue"], "revenue": min(row["revenue"], limit)}
        for key, row in rows.items()
    }


def aggregates(rows, arms, columns, pairs):
    """Slice → arm → (units, totals, products, nonzero)."""
    found = {}
    for value in {value for value, _ in rows}:
        found[value] = {}
        for arm in arms:
            own = [row for (slice_, _), row in rows.items() if slice_ == value and row["variant"] == arm]
            found[value][arm] = (
                len(own),
                {column: sum(row[column] for row in own) for column in columns},
                {(a, b): sum(row[a] * row[b] for row in own) for a, b in pairs},
                {column: sum(row[column] != 0 for row in own) for column in columns},
            )
    return found


def buckets(rows, arms, columns, count):
    """Slice → arm → column → bucket → sum, where it is not 0."""
    found = {value: {arm: defaultdict(Counter) for arm in arms} for value, _ in rows}
    for (value, user), row in rows.items():
        own = found[value][row["variant"]]
        own["units"][fine(user) % count] += 1
        for column in columns:
            own[column][fine(user) % count] += row[column]
    return found


def latencies(logs, asked, arm, count):
    """((bucket, bin) → n, how many have none)."""
    found, missing = Counter(), 0
    for row in exposures(logs, asked):
        if row["standing"] == "counts" and row["variant"] == arm:
            ms = row["latency_ms"]
            if ms is None:
                missing += 1
            else:
                place = LOWEST if ms < 0.001 else math.floor(math.log(ms) * 64 / math.log(2))
                found[fine(row["user_id"]) % count, place] += 1
    return found, missing


def origins(logs, asked):
    found = defaultdict(Counter)
    for _, variant, first, *values in oracle.first_assignments(logs, asked):
        for key, value in zip(asked.keys, values, strict=False):
            found[key, "unknown" if value is None else value][variant] += 1
        day = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=first)
        found["day", str(day.date())][variant] += 1
    return found


def bin_of(delay_us):
    return max(delay_us // 1_000_000, 0).bit_length()


def maturity(logs, asked):
    """(end, arm → kind → bins, arm → bins)."""
    end = max(micros(row["ts"]) for row in (*logs.exposures, *logs.outcomes))
    end = end if asked.as_of_us is None else min(end, asked.as_of_us)
    delays, ages = defaultdict(lambda: defaultdict(Counter)), defaultdict(Counter)
    outcomes = _attributed(logs, asked)
    for row in exposures(logs, asked):
        if row["standing"] == "counts":
            ages[row["variant"]][bin_of(end - row["ts_us"])] += 1
            for kind, ts, _ in outcomes[row["request_id"]]:
                delays[row["variant"]][kind][bin_of(ts - row["ts_us"])] += 1
    return end, delays, ages


def _told(logs, outcome, key):
    """What an assignment of the request says, else the outcome's own context; exposures of these logs say nothing."""
    own = "variant" if key == "experiment_variant" else key
    named = [row[own] for row in logs.assignments if row["request_id"] == outcome["request_id"]]
    return min(named) if named else outcome.get("context", {}).get(key)


def match_rates(logs, asked):
    """(arm → user → [matched, all], unmatched ones of no arm)."""
    units = {user: variant for user, variant, *_ in experiment_units(logs, asked)}
    shown, named = defaultdict(set), defaultdict(set)
    for row in exposures(logs, asked):
        if row["variant"] is not None and row["standing"] in ("counts", "too_recent", "ambiguous"):
            shown[row["request_id"]].add(row["variant"])
    for name, _, request, user, _, nobody, *_ in oracle.subject_assignments(logs, asked):
        if name == asked.experiment_id and not nobody:
            named[request].add(units[user])
    found, unknown = defaultdict(lambda: defaultdict(lambda: [0, 0])), 0
    fates = join_oracle.fates(logs.exposures, logs.outcomes, **asked.policy)
    for row, (fate, _) in zip(logs.outcomes, fates, strict=True):
        if fate == "duplicate" or not oracle.seen([row], asked):
            continue
        request, matched = row["request_id"], fate not in ("orphan", "ambiguous")
        arm = next((min(arms) for arms in (shown[request], named[request]) if len(arms) == 1), None)
        if arm is None and not matched:
            name, own = (_told(logs, row, key) for key in ("experiment_id", "experiment_variant"))
            arm = own if name == asked.experiment_id and own in units.values() else None
        if arm is None:
            unknown += not matched
            continue
        cell = found[arm][row["user_id"]]
        cell[0] += matched
        cell[1] += 1
    return found, unknown


def shown_rates(logs, asked):
    """arm → user → [requests with a list, requests that were assigned]."""
    units = {user: variant for user, variant, *_ in experiment_units(logs, asked)}
    shown = {row["request_id"] for row in oracle.seen(logs.exposures, asked)}
    found = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for request, user, _, nobody, _ in oracle.assigned_requests(logs, asked):
        if not nobody:
            cell = found[units[user]][user]
            cell[0] += request in shown
            cell[1] += 1
    return found


def impressions(logs, asked, cut=None):
    """arm → (group, item) → n."""
    found = defaultdict(Counter)
    lists = {row["request_id"]: join_oracle.shown(row) for row, ambiguous in logs.distinct if not ambiguous}
    for row in exposures(logs, asked):
        if row["standing"] == "counts":
            for item in lists[row["request_id"]][:cut]:
                found[row["variant"]][fine(row["user_id"]) % 32, item] += 1
    return found

"""Small logs full of trouble, drawn by Hypothesis, and many of them as one."""

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import chain

from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.attribution.policies import CHOICES, CREDITS
from recsys.attribution.policy import Fallback, Policy
from relations_oracle import World

ITEMS = ["a", "b", "é", "e\u0301", "日本", "\U0001f600", "\uffef", "A", 'q"\\', "it's", "a b"]
REQUESTS = ["r1", "r2", "r3", "r4", "R1", "\U0001f600r"]
USERS = ["u1", "u2", "ü", "\uffefu", "\U0001f600u"]
BEGIN = datetime(2026, 2, 5, 22, 59, 58, tzinfo=UTC)
INSTANTS = [
    *(
        (BEGIN + timedelta(microseconds=late)).isoformat()
        for late in (0, 1, 999_999, 2_000_000, 5_000_000, 3_700_000_000, -1, -5_000_000, -5_000_001, -86_400_000_000)
    ),
    "2026-02-06t04:29:58+05:30", "2026-02-05T22:59:58z", "2026-02-04T23:00:58.5-23:59",
    "1970-01-01T00:00:00+14:00", "1970-01-01T00:00:00.000001Z", "1970-01-01T00:00:00+00:01",
    "2200-12-31T23:59:59.999999-23:59", "2200-12-31T23:59:59.999999Z",
]  # fmt: skip
TEXTS = st.sampled_from(["demo", "home", "", "é", "\U0001f600", "\uffef", "true", "'", "\\"])
KEYS = [
    (), ("tenant_id", "surface"), ("surface", "experiment_variant"),
    ("tenant_id", "Tenant_ID", "surface", "experiment_id", "experiment_variant", "a'b", "é", "anonymous"),
]  # fmt: skip
CONTEXTS = st.dictionaries(
    st.sampled_from(["tenant_id", "surface", "Tenant_ID", "anonymous", "a'b", "é", "other"]), TEXTS, max_size=4
)
# Most instants of a log are near each other, or nothing would be attributed
instants = st.sampled_from(INSTANTS[:12]) | st.sampled_from(INSTANTS)
limits = st.sampled_from([None, 0.0, 0.000001, 9.0, 3600.0, 86_400.0])
windows = st.fixed_dictionaries({"click": limits, "conversion": limits})
policies = st.builds(
    Policy,
    tolerance_s=st.sampled_from([None, 0.0, 5.0]),
    windows_s=windows,
    **{key: st.sampled_from(known) for key, known in CHOICES.items()},
) | st.builds(
    Policy,
    tolerance_s=st.sampled_from([0.0, 5.0]),
    windows_s=windows,
    **{key: st.sampled_from(known) for key, known in CHOICES.items()},
    fallback=st.builds(Fallback, credit=st.sampled_from(CREDITS), window_s=limits),
)

CHOSEN = [
    (KEYS[1], Policy()),
    (KEYS[3], Policy(windows_s={"click": 9.0, "conversion": None}, user_mismatch="refuse", touch="first")),
    (KEYS[2], Policy(tolerance_s=0.0, not_in_list="count", fallback=Fallback(credit="all", window_s=86_400.0))),
]
"""Slice keys and policies under which many logs are joined at once: between them every rule applies."""


def seldom(draw, n):
    """True once in n times: what is simple for Hypothesis, and drawn most, is False."""
    return draw(st.integers(0, n - 1)) == n - 1


@st.composite
def lists(draw):
    """Mostly ranks 1, 2, … in some order; else gaps, repeated ranks, repeated items and ranks that are large."""
    items = draw(st.lists(st.sampled_from(ITEMS), max_size=4, unique=draw(st.booleans())))
    odd = seldom(draw, 3)
    rank = st.integers(1, 5) | st.just(2**31 - 1)
    ranks = [draw(rank) for _ in items] if odd else range(1, len(items) + 1)
    listed = [{"rank": rank, "item_id": item} for rank, item in zip(ranks, items, strict=True)]
    for item in listed:
        for name in ("propensity", "logging_propensity", "target_propensity"):
            if seldom(draw, 6):
                item[name] = draw(st.sampled_from([0, 0.0, 0.5, 1]))
    return draw(st.permutations(listed))


def _optional(draw, row, **fields):
    return row | {name: draw(strategy) for name, strategy in fields.items() if draw(st.booleans())}


@st.composite
def exposures(draw):
    row = {
        "request_id": draw(st.sampled_from(REQUESTS)),
        "user_id": draw(st.sampled_from(USERS)),
        "ts": draw(instants),
        "items": draw(lists()),
    }
    numbers = st.sampled_from([0, 0.1 + 0.2, 12.5, 1e308, 10**30, 5e-324])
    row = _optional(draw, row, context=CONTEXTS, latency_ms=numbers, error=st.booleans())
    nobody = {"context": {**row.get("context", {}), "anonymous": "true"}}
    return row | nobody if seldom(draw, 5) else row


LATE = [-86_400_000_000, -5_000_001, -5_000_000, -1, 0, 1, 1_500_000, 9_000_000, 9_000_001, 3_600_000_001]
"""Microseconds from an exposure to what is done about it: at the limits of the policies, and beyond."""


@st.composite
def answers(draw, shown):
    """An outcome of one of the exposures: mostly of its user, on one of its items, soon after it."""
    exposure = draw(st.sampled_from(shown))
    row = draw(outcomes())
    if not seldom(draw, 5):
        row["request_id"] = exposure["request_id"]
    if not seldom(draw, 5):
        row["user_id"] = exposure["user_id"]
    if exposure["items"] and not seldom(draw, 5):
        row["item_id"] = draw(st.sampled_from(exposure["items"]))["item_id"]
    instant = datetime.fromisoformat(exposure["ts"].upper()) + timedelta(microseconds=draw(st.sampled_from(LATE)))
    return row | {"ts": instant.isoformat()} if 1970 <= instant.year <= 2200 else row


@st.composite
def outcomes(draw):
    row = {
        "request_id": draw(st.sampled_from([*REQUESTS, "gone", "lost"])),
        "user_id": draw(st.sampled_from(USERS)),
        "item_id": draw(st.sampled_from(ITEMS)),
        "event_type": draw(st.sampled_from(["click", "conversion"])),
        "ts": draw(instants),
    }
    values = st.sampled_from([0, -0.0, -1.5, 49.9, 0.1 + 0.2, 1e308, 5e-324, -(10**30)])
    row = _optional(draw, row, context=CONTEXTS, value=values)
    return row | {"event_id": draw(st.sampled_from(["e1", "e2", "é"]))} if seldom(draw, 6) else row


@st.composite
def assignments(draw):
    row = {
        "experiment_id": draw(st.sampled_from(["x", "y"])),
        "variant": draw(st.sampled_from(["A", "B"])),
        "request_id": draw(st.sampled_from([*REQUESTS, "gone"])),
        "user_id": draw(st.sampled_from(USERS)),
        "ts": draw(instants),
    }
    return _optional(draw, row, context=CONTEXTS)


def _again(rows, draw):
    """Some rows again, as they are or with another field of another row: copies, and copies that differ."""
    copies = []
    for row in draw(st.lists(st.sampled_from(rows), max_size=3)) if rows else []:
        other = draw(st.sampled_from(rows))
        name = draw(st.sampled_from(sorted(other)))
        copies.append({**row, name: other[name]} if draw(st.booleans()) else dict(row))
    return rows + copies


def _moved_down(rows, draw):
    """One of the lists once more under its request_id, a rank lower: another list, with the same items in their
    order."""
    row = draw(st.sampled_from(rows))
    if not seldom(draw, 6) or any(item["rank"] > 5 for item in row["items"]):
        return rows
    return [*rows, {**row, "items": [{**item, "rank": item["rank"] + 1} for item in row["items"]]}]


@st.composite
def logs(draw):
    """(exposures, outcomes, assignments)."""
    shown = draw(st.lists(exposures(), min_size=1, max_size=5))
    if draw(st.booleans()):  # so that not all requests are ambiguous
        shown = list({row["request_id"]: row for row in shown}.values())
    shown = _moved_down(_again(shown, draw), draw)
    done = _again(draw(st.lists(answers(shown) | answers(shown) | outcomes(), min_size=1, max_size=8)), draw)
    named = st.sampled_from([row["request_id"] for row in shown])
    assigned = [
        row | {"request_id": draw(named)} if draw(st.booleans()) else row
        for row in draw(st.lists(assignments(), max_size=4))
    ]
    return shown, done, assigned


worlds = st.builds(
    lambda log, keys, policy: World(*log, keys=keys, policy=policy), logs(), st.sampled_from(KEYS), policies
)


def many(count):
    """``count`` logs as Hypothesis draws them, as one log: the ids of each begin with its number."""
    return tuple(list(rows) for rows in _drawn(count))


@cache
def _drawn(count):
    drawn = []

    @settings(max_examples=count, deadline=None, database=None)
    @given(logs())
    def keep(log):
        drawn.append(log)

    keep()
    apart = [tuple([_apart(row, number) for row in part] for part in log) for number, log in enumerate(drawn)]
    return tuple(list(chain.from_iterable(parts)) for parts in zip(*apart, strict=True))


def _apart(row, number):
    return row | {name: f"{number}-{row[name]}" for name in ("request_id", "user_id", "event_id") if name in row}

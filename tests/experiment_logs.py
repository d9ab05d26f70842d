"""Hypothesis strategies of small logs with experiments, full of trouble; and healthy ones, made by hand."""

from hypothesis import given, settings
from hypothesis import strategies as st

from experiment_oracle import Asked, Logs

REQUESTS = ["r1", "r2", "r3", "r4", "r5"]
USERS = ["u1", "u2", "u3", "é"]
ITEMS = ["a", "b"]
MOMENTS = [
    "2026-02-05T10:00:00Z", "2026-02-05T10:00:03Z", "2026-02-05T10:00:05.000001Z", "2026-02-05T10:00:05Z",
    "2026-02-05T11:00:00+01:00", "2026-02-05T12:30:00Z",
]  # fmt: skip
AT_TEN = 1_770_285_600_000_000
CONTEXTS = [{}, {}, {"surface": "home"}, {"surface": "é", "tenant_id": "t"}]
VALUES = [0, 1.5, 49.9, -3.25, 0.0000005, -0.0000005, 0.1 + 0.2, 1e12, 1e12 + 1, -1e300, 123456789.1234565, 10**15]


@st.composite
def _exposure(draw):
    request = draw(st.sampled_from(REQUESTS))
    user = draw(st.sampled_from([*USERS, *USERS, request]))
    listed = draw(st.sampled_from([[], ["a"], ITEMS]))
    row = {
        "request_id": request,
        "user_id": user,
        "ts": draw(st.sampled_from(MOMENTS)),
        "items": [{"item_id": item, "rank": rank} for rank, item in enumerate(listed, 1)],
    }
    if draw(st.booleans()):
        row["error"] = draw(st.booleans())
    if draw(st.booleans()):
        row["latency_ms"] = draw(st.sampled_from([0, 12, 12.5, 300]))
    context = dict(draw(st.sampled_from(CONTEXTS)))
    # One user of one request either is or is not anonymous, so copies agree
    if user == request or (user, request) in (("u3", "r5"), ("u2", "r4")):
        context["anonymous"] = "true"
    return row | {"context": context}


@st.composite
def _outcome(draw):
    row = {
        "request_id": draw(st.sampled_from([*REQUESTS, "r9"])),
        "user_id": draw(st.sampled_from(USERS)),
        "item_id": draw(st.sampled_from(ITEMS)),
        "event_type": draw(st.sampled_from(["click", "conversion"])),
        "ts": draw(st.sampled_from(MOMENTS)),
    }
    if draw(st.integers(0, 3)):
        row["value"] = draw(st.sampled_from(VALUES))
    return row | {"context": draw(st.sampled_from(CONTEXTS))}


@st.composite
def _assignment(draw):
    request = draw(st.sampled_from([*REQUESTS, "r8"]))
    return {
        "experiment_id": draw(st.sampled_from(["x", "x", "y"])),
        "variant": draw(st.sampled_from(["A", "B", "C"])),
        "request_id": request,
        "user_id": draw(st.sampled_from([*USERS, *USERS, request])),
        "ts": draw(st.sampled_from(MOMENTS)),
        "context": draw(st.sampled_from(CONTEXTS)),
    }


logs = st.builds(
    Logs,
    st.lists(_exposure(), min_size=1, max_size=7),
    st.lists(_outcome(), min_size=1, max_size=9),
    st.lists(_assignment(), min_size=1, max_size=9),
)
asked = st.builds(
    Asked,
    experiment_id=st.sampled_from(["x", "y"]),
    scope=st.sampled_from(["request", "user"]),
    as_of_us=st.sampled_from([None, AT_TEN + 4_000_000, AT_TEN + 3_600_000_000]),
    window_us=st.sampled_from([0, 60_000_000]),
    tolerance_us=st.sampled_from([0, 5_000_000]),
)


def many(count):
    """``count`` logs as Hypothesis draws them, always the same, as one: the ids of each begin with its number. Some
    assignments are delivered twice."""
    drawn = []

    @settings(max_examples=count, deadline=None, database=None, derandomize=True)
    @given(logs)
    def keep(found):
        drawn.append(found)

    keep()
    parts = zip(*((found.exposures, found.outcomes, found.assignments) for found in drawn), strict=True)
    shown, done, assigned = (
        [_apart(row, number) for number, rows in enumerate(part) for row in rows] for part in parts
    )
    return Logs(shown, done, assigned + assigned[::7])


def _apart(row, number):
    return row | {name: f"{number}-{row[name]}" for name in ("request_id", "user_id")}


CHOSEN = [
    Asked("x"),
    Asked("x", scope="user", as_of_us=AT_TEN + 65_000_000, window_us=60_000_000, tolerance_us=0),
    Asked("x", scope="request", as_of_us=AT_TEN + 3_600_000_000, window_us=3_596_000_000),
]
"""Parameters under which many logs are looked at."""

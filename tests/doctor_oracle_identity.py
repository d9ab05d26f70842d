"""Relations of the doctor about identity and keys once more, in plain Python, from the twins of the join."""

import re
from collections import defaultdict

import relations_oracle as oracle
from relations_oracle import SLICES

PSEUDONYM = re.compile("[0-9a-f]{64}")


def _groups(rows, key):
    groups = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def _slices(row):
    return {name: row[name] for name in SLICES}


def _bucket(ts_us, width):
    return ts_us // width * width


def _outcomes(world):
    """Outcomes that are no duplicates, each with whether its exposure knew its user."""
    return [
        {**row, "knew": row["exposure_user_id"] not in (None, row["request_id"]) and not row["anonymous"]}
        for row in oracle.outcome_fates(world)
        if row["fate"] != "duplicate"
    ]


def _mismatches(world):
    return [row for row in _outcomes(world) if row["knew"] and row["user_id"] != row["exposure_user_id"]]


def _form(shown, named):
    if shown.strip(" ").lower() == named.strip(" ").lower():
        return "spelling"
    hashed = PSEUDONYM.fullmatch(shown) is not None, PSEUDONYM.fullmatch(named) is not None
    return {(True, True): "hashed", (True, False): "raw_outcome", (False, True): "raw_exposure"}.get(hashed, "raw")


def user_pairs(world, width):
    pairs = _groups(_mismatches(world), lambda row: (row["exposure_user_id"], row["user_id"]))
    return [
        {
            "exposure_user_id": shown,
            "user_id": named,
            "n": len(rows),
            "requests": len({row["request_id"] for row in rows}),
            "in_place": any(row["request_id"] == named for row in rows),
            "form": _form(shown, named),
            "named_for": sum(other == named for _, other in pairs),
            "named_as": sum(other == shown for other, _ in pairs),
        }
        for (shown, named), rows in pairs.items()
    ]


def user_mismatches(world, width):
    pairs = {(pair["exposure_user_id"], pair["user_id"]): pair for pair in user_pairs(world, width)}
    own = ("event_type", "fate", "ts_us", "exposure_ts_us", "exposure_user_id", "user_id", *SLICES)
    of_pair = ("form", "in_place", "named_for", "named_as")
    return [
        {
            **{name: row[name] for name in own},
            "bucket_us": _bucket(row["ts_us"], width),
            **{name: pairs[row["exposure_user_id"], row["user_id"]][name] for name in of_pair},
        }
        for row in _mismatches(world)
    ]


def _cells(rows, width, count):
    cells = _groups(rows, lambda row: (_bucket(row["ts_us"], width), tuple(_slices(row).items())))
    return [{"bucket_us": bucket, **dict(slices), **count(members)} for (bucket, slices), members in cells.items()]


def named_users(world, width):
    known = [row for row in _outcomes(world) if row["knew"]]
    return _cells(known, width, lambda rows: {"n": len(rows)})


def exposure_marks(world, width):
    return _cells(
        oracle.exposures(world),
        width,
        lambda rows: {
            "n": len(rows),
            "anonymous": sum(row["anonymous"] for row in rows),
            "unmarked": sum(row["user_id"] == row["request_id"] and not row["anonymous"] for row in rows),
            "ambiguous": sum(row["ambiguous"] for row in rows),
        },
    )


def ambiguous_requests(world, width):
    found = []
    for request, lists in world.lists.items():
        if len(lists) < 2:
            continue
        lost = [row for row in _outcomes(world) if row["request_id"] == request]
        found.append(
            {
                "request_id": request,
                "lists": len(lists),
                "users": len({row["user_id"] for row in lists}),
                "tenants": len({row["slice_1"] for row in lists} - {None}),
                "surfaces": len({row["slice_2"] for row in lists} - {None}),
                "first_us": min(row["ts_us"] for row in lists),
                "last_us": max(row["ts_us"] for row in lists),
                "outcomes": len(lost),
                "clicks": sum(row["event_type"] == "click" for row in lost),
            }
        )
    return found


def slice_pairs(world, width):
    pairs = defaultdict(int)
    fates = [fate for fate, _ in world.fates(world.policy.touch)]
    for row, fate in zip(oracle.staged_outcomes(world), fates, strict=True):
        lists = world.lists.get(row["request_id"], [])
        shown = lists[0] if len(lists) == 1 else None
        for key, name in enumerate(SLICES, 1):
            if fate != "duplicate" and row[name] is not None:
                pairs[key, shown is not None, shown and shown[name], row[name]] += 1
    names = ("key", "matched", "exposure_value", "own_value")
    return [{**dict(zip(names, pair, strict=True)), "n": n} for pair, n in pairs.items()]


def user_spans(world, width):
    known = [row for row in oracle.exposures(world) if not row["anonymous"] and PSEUDONYM.fullmatch(row["user_id"])]
    seen = [[row["ts_us"] for row in rows] for rows in _groups(known, lambda row: row["user_id"]).values()]
    spans = _groups(seen, lambda times: (_bucket(min(times), width), _bucket(max(times), width)))
    names = ("first_bucket_us", "last_bucket_us")
    return [
        {**dict(zip(names, span, strict=True)), "users": len(users), "first_us": min(map(min, users))}
        for span, users in spans.items()
    ]


TWINS = {
    twin.__name__: twin
    for twin in (ambiguous_requests, exposure_marks, named_users, slice_pairs, user_mismatches, user_pairs, user_spans)
}  # fmt: skip

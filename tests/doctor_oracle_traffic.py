"""Relations of the doctor about time, repetitions and traffic in plain Python, from the twins of the join."""

from collections import Counter, defaultdict
from itertools import pairwise

import relations_oracle as oracle
from relations_oracle import SLICES

MINUTE, DAY = 60_000_000, 86_400_000_000


def _groups(rows, key):
    groups = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def _slices(row):
    return tuple(row[name] for name in SLICES)


def fate_buckets(world, limits):
    width = limits["bucket_us"]
    counts = Counter(
        (row["ts_us"] // width * width, row["event_type"], _slices(row), row["fate"], row["user_mismatch"])
        for row in oracle.outcome_fates(world)
    )
    return [
        {
            "bucket_us": bucket, "event_type": kind, **dict(zip(SLICES, slices, strict=True)), "fate": fate,
            "user_mismatch": other, "n": n,
        }
        for (bucket, kind, slices, fate, other), n in counts.items()
    ]  # fmt: skip


def exposure_buckets(world, limits):
    width = limits["bucket_us"]
    named = {row["request_id"] for row in world.outcomes}
    groups = _groups(oracle.exposures(world), lambda row: (row["ts_us"] // width * width, _slices(row)))
    return [
        {
            "bucket_us": bucket, **dict(zip(SLICES, slices, strict=True)), "n": len(rows),
            "joined": sum(row["request_id"] in named for row in rows),
            "answered": sum(row["request_id"] in named and bool(row["shown"]) for row in rows),
            "empty": sum(not row["shown"] for row in rows),
            "error": sum(bool(row["error"]) for row in rows),
        }
        for (bucket, slices), rows in groups.items()
    ]  # fmt: skip


def following_lists(world, limits):
    known = [row for row in oracle.exposures(world) if not row["anonymous"] and not row["ambiguous"]]
    found = []
    for rows in _groups(known, lambda row: (row["user_id"], row["slice_1"], row["slice_2"])).values():
        rows.sort(key=lambda row: (row["ts_us"], row["request_id"]))
        for before, now in pairwise(rows):
            gap = now["ts_us"] - before["ts_us"]
            if gap <= max(limits["same_list_us"], limits["replaced_us"]):
                same = list(now["shown"]) == list(before["shown"])
                found.append(
                    {
                        "request_id": now["request_id"], "previous_request_id": before["request_id"],
                        "ts_us": now["ts_us"], "gap_us": gap,
                        "same_list": same and len(now["shown"]) > 0 and gap <= limits["same_list_us"],
                        "replaced": not same and len(before["shown"]) > 0 and gap <= limits["replaced_us"],
                    }
                )  # fmt: skip
    return found


def subject_peaks(world, limits):
    shown = _groups((row for row in oracle.exposures(world) if not row["anonymous"]), lambda row: row["user_id"])
    done = _groups(
        (
            row for row in oracle.outcome_fates(world)
            if row["exposure_user_id"] is not None and not row["anonymous"] and row["fate"] != "duplicate"
        ),
        lambda row: row["exposure_user_id"],
    )  # fmt: skip

    def peak(rows, width):
        return max(Counter(row["ts_us"] // width for row in rows).values(), default=0)

    return [
        {
            "user_id": user, "exposures": len(rows), "exposures_minute": peak(rows, MINUTE),
            "exposures_day": peak(rows, DAY), "outcomes": len(done.get(user, [])),
            "outcomes_minute": peak(done.get(user, []), MINUTE),
        }
        for user, rows in shown.items()
    ]  # fmt: skip


def duplicate_outcomes(world, limits):
    events = Counter(row.get("event_id") for row in world.outcomes)
    return [
        {
            "ts_us": row["ts_us"], "event_type": row["event_type"], "conflicting": row["conflicting"],
            "kind": "redelivery" if row["event_id"] is None or events[row["event_id"]] > 1 else "retry",
        }
        for row in oracle.outcome_fates(world)
        if row["fate"] == "duplicate"
    ]  # fmt: skip


def repeated_outcomes(world, limits):
    counted = [row for row in oracle.outcome_fates(world) if row["fate"] != "duplicate"]
    found = []
    for rows in _groups(counted, lambda row: (row["request_id"], row["item_id"], row["event_type"])).values():
        rows.sort(key=lambda row: row["ts_us"])
        found += [
            {
                "event_type": now["event_type"], "ts_us": now["ts_us"], "gap_us": now["ts_us"] - before["ts_us"],
                "attributed": now["fate"] == "attributed",
            }
            for before, now in pairwise(rows)
        ]  # fmt: skip
    return found


TWINS = {
    twin.__name__: twin
    for twin in (fate_buckets, exposure_buckets, following_lists, subject_peaks, duplicate_outcomes, repeated_outcomes)
}

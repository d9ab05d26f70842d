"""Logs beside whose files an index tells of losses."""

import json
from datetime import datetime, timedelta

from recsys.eventlog.writing.index import Gap, Header, encoded, header_line

BEGIN = "2026-02-05T10:00:00Z"
BEGUN = datetime.fromisoformat(BEGIN)
SECOND = timedelta(seconds=1)
SEGMENTS = {
    "exposures": "exposure-2026-02-05.w1-1.jsonl",
    "outcomes": "outcome-2026-02-05.w1-1.jsonl",
    "assignments": "assignment-2026-02-05.w1-1.jsonl",
}
FULL = "No space left on device"


def rows(count, users=7, clicked=3):
    context = {"tenant_id": "demo", "surface": "home"}
    shown = [
        {
            "request_id": f"r{n}", "user_id": f"u{n % users}", "ts": BEGIN,
            "items": [{"item_id": "a", "rank": 1}, {"item_id": "b", "rank": 2}],
            "context": {**context, "surface": "cart" if n % 4 == 0 else "home"},
        }
        for n in range(count)
    ]  # fmt: skip
    done = [
        {"request_id": f"r{n}", "user_id": f"u{n % users}", "item_id": "b", "event_type": "click", "ts": BEGIN}
        for n in range(0, count, clicked)
    ]
    return {"exposures": shown, "outcomes": done, "assignments": []}


def write(folder, made, **gaps):
    folder.mkdir(exist_ok=True)
    for role, name in SEGMENTS.items():
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in made[role]))
        header = Header(log=role[:-1], file=name, writer="w1", sequence=1, opened=BEGUN)
        noted = [
            encoded(Gap(lost=lost, refused=refused, first=BEGUN + n * SECOND, last=BEGUN + 300 * SECOND, reason=FULL))
            for n, (lost, refused) in enumerate(gaps.get(role, []))
        ]
        (folder / f"{name}.index").write_bytes(header_line(header) + b"".join(noted))
    return {role: [str(folder / name)] for role, name in SEGMENTS.items() if made[role]}

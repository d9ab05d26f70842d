"""What every engine must make of one part of the users: its own rows and no others."""

import hashlib
import json

from join_oracle import micros
from recsys.attribution import join, shards, sources
from recsys.attribution.policy import Policy
from unit_logs import random_logs

ROLES = ("exposures", "outcomes", "assignments")


def bucket(user):
    return int(hashlib.md5(f"recsys:{user}".encode()).hexdigest()[:3], 16)


def check(engine, folder):
    """Of every part: the rows of its users alone, each in one part; what is not valid counts in the first."""
    logs = random_logs(3, people=60, requests=150)
    rows = dict(zip(ROLES, (logs.exposures, logs.outcomes, logs.assignments), strict=True))
    for role, own in rows.items():
        text = "".join(json.dumps(row) + "\n" for row in own) + ("{}\n" if role == "outcomes" else "")
        (folder / f"{role}.jsonl").write_text(text)
    seen = dict.fromkeys(ROLES, 0)
    for part in (1, 2, 3):
        named = sources.from_options(*([str(folder / f"{role}.jsonl")] for role in ROLES))
        dataset = sources.accept_dataset(named, folder)
        made = join.join(engine, dataset, Policy(), scratch=folder, shard=shards.Shard(part, 3))
        for role, own in rows.items():
            expected = sorted(row["user_id"] for row in own if bucket(row["user_id"]) % 3 == part - 1)
            assert sorted(user for (user,) in engine.rows(f"SELECT user_id FROM staged_{role}")) == expected
            log = getattr(made.dataset, role)
            assert (log.rows - log.invalid, log.invalid) == (len(expected), int(role == "outcomes" and part == 1))
            seen[role] += len(expected)
        assert made.end_us == max(micros(row["ts"]) for row in (*logs.exposures, *logs.outcomes))
    assert seen == {role: len(own) for role, own in rows.items()}

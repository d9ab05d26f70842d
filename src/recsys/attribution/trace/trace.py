"""One request traced: the logs are asked for the few rows that matter, these are joined, and the whole is told."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from recsys.attribution.sources import Dataset
from recsys.attribution.trace import around, closure, near, subject
from recsys.attribution.trace.asked import Asked
from recsys.attribution.trace.judged import judge
from recsys.attribution.trace.logs import Logs
from recsys.attribution.trace.rows import Answer, Row
from recsys.attribution.trace.told import Found, told
from recsys.contracts import trace as contract
from recsys.contracts.types import ID_PATTERN, MAX_ID_LENGTH
from recsys.errors import UsageError
from recsys.eventlog.validation import Progress

__all__ = ["Asked", "trace"]


def trace(dataset: Dataset, asked: Asked, now: datetime, on_progress: Progress | None = None) -> contract.Trace:
    """Everything that the logs say of the request. UsageError for what cannot be an id; InputError where a log cannot
    be read."""
    _check_id(asked.request_id)
    with tempfile.TemporaryDirectory(prefix="recsys-") as name:
        scratch = Path(name)
        logs = Logs(dataset, scratch, on_progress)
        rows = closure.of_request(logs, asked.request_id, asked.policy)
        judged = judge(rows.rows, logs.aliases, asked.policy, scratch, asked.slice_keys)
        whose = subject.of_request(logs, rows, judged, asked.request_id)
        neighbours = around.ask(logs, whose, asked.around_us) if whose and asked.around_us else {}
        logs.number([*_rows(rows.named.values()), *_rows(rows.rows.values()), *_answered(neighbours.values())])
        resembling = [] if any(rows.named.values()) else _resembling(logs, asked.request_id)
        return told(Found(logs, rows, judged, whose, neighbours, resembling), asked, now)


def _check_id(request_id: str) -> None:
    if len(request_id) > MAX_ID_LENGTH or not re.fullmatch(ID_PATTERN, request_id):
        expected = f"1 to {MAX_ID_LENGTH} characters, not blank, no control characters"
        raise UsageError("not a request id", found=ascii(request_id[:80]), expected=expected)
    if any("\ud800" <= char <= "\udfff" for char in request_id):
        raise UsageError("not a request id", found="bytes that are no UTF-8", expected="text")


def _rows(by_role: Iterable[list[Row]]) -> list[Row]:
    return [row for rows in by_role for row in rows]


def _answered(answers: Iterable[Answer]) -> list[Row]:
    return [row for answer in answers for row in answer.rows]


def _resembling(logs: Logs, request_id: str) -> list[contract.NearId]:
    return near.nearest(request_id, logs.resembling(near.sought(request_id)))

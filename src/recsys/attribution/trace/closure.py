"""The few rows that decide the fates of one request's outcomes, out of logs of any size.

A fate looks at the lists of the request, at outcomes of the request (its copies, its first touch), and at outcomes that
share an event_id with them, whichever request those name. A fallback looks farther: an orphan is credited to lists
that its user was shown, so the user's lists and outcomes of those times are needed, and whether those are orphans,
copies or ambiguous themselves.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from recsys.attribution.policy import EVENT_TYPES, Policy
from recsys.attribution.trace.logs import Logs
from recsys.attribution.trace.rows import ROLES, Answer, Ask, Role, Row, micros
from recsys.contracts.events import Exposure, Outcome


class Closure(Struct, frozen=True):
    """``named``: the rows with the request's id, those that are not valid among them. ``rows``: these and all others
    that their fates depend on, each once; valid ones only."""

    named: dict[Role, list[Row]]
    rows: dict[Role, list[Row]]


def of_request(logs: Logs, request_id: str, policy: Policy) -> Closure:
    """The rows that decide what became of the request."""
    about = Ask(requests=frozenset({request_id}), refused=True)
    named: dict[Role, list[Row]] = {role: answer.rows for role, answer in logs.ask(dict.fromkeys(ROLES, about)).items()}
    found = _Found(named)
    outcomes = found.outcomes()
    if events := frozenset(o.event_id for o in outcomes if isinstance(o.event_id, str)):
        found.add(logs.ask({"outcomes": Ask(events=events)}))
    if policy.fallback is not None and (found.exposures() or outcomes):
        _add_what_the_fallback_reads(logs, policy, found)
    return Closure(named, found.rows())


class _Found:
    """Rows by place, so that none is there twice."""

    def __init__(self, named: dict[Role, list[Row]]) -> None:
        self._rows: dict[Role, dict[tuple[str, int, int], Row]] = {role: {} for role in ROLES}
        for role, rows in named.items():
            self._add(role, rows)

    def add(self, answers: dict[Role, Answer]) -> None:
        """Take in the valid rows of these answers."""
        for role, answer in answers.items():
            self._add(role, answer.rows)

    def _add(self, role: Role, rows: list[Row]) -> None:
        for row in rows:
            if row.record is not None:
                self._rows[role].setdefault((row.file, row.offset, row.line), row)

    def rows(self) -> dict[Role, list[Row]]:
        """All rows, by role."""
        return {role: list(by_place.values()) for role, by_place in self._rows.items()}

    def exposures(self) -> list[Exposure]:
        """The records of the exposures."""
        return [row.record for row in self._rows["exposures"].values() if isinstance(row.record, Exposure)]

    def outcomes(self) -> list[Outcome]:
        """The records of the outcomes."""
        return [row.record for row in self._rows["outcomes"].values() if isinstance(row.record, Outcome)]


def _add_what_the_fallback_reads(logs: Logs, policy: Policy, found: _Found) -> None:
    """Orphans of the users of the request, the lists that they could be credited to, and what tells of both whether
    they are orphans, copies, or ambiguous."""
    users = logs.all_names(frozenset(record.user_id for record in [*found.exposures(), *found.outcomes()]))
    before, after = _reach(policy)
    times = _times([*found.exposures(), *found.outcomes()])
    # What was done up to `after` a list of the request, and what was shown up to `after` before that
    found.add(logs.ask({"outcomes": Ask(users=users, since=times[0] - before, until=times[1] + after)}))
    times = _times([*found.exposures(), *found.outcomes()])
    found.add(logs.ask({"exposures": Ask(users=users, since=times[0] - after, until=times[1] + before)}))
    outcomes = found.outcomes()
    requests = frozenset(record.request_id for record in [*found.exposures(), *outcomes])
    events = frozenset(record.event_id for record in outcomes if isinstance(record.event_id, str))
    found.add(logs.ask({"exposures": Ask(requests=requests), "outcomes": Ask(requests=requests, events=events)}))


def _reach(policy: Policy) -> tuple[int, int]:
    """How far, in microseconds, an outcome may stand before the list that it is credited to, and after it."""
    row = dict(zip(policy.table()[0], policy.table()[1][0], strict=True))
    return row["tolerance_us"] or 0, max(row[f"{kind}_fallback_us"] or 0 for kind in EVENT_TYPES)


def _times(records: Iterable[Exposure | Outcome]) -> tuple[int, int]:
    """The first and the last instant of these, in microseconds."""
    at = [micros(record.ts) for record in records]
    return min(at), max(at)

"""What people did, as the product reports it: checked, pseudonymised, written once."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from recsys.contracts.api import OutcomeResult
from recsys.contracts.events import Outcome
from recsys.errors import RequestError, StorageError
from recsys.eventlog.checks import checker
from recsys.eventlog.faults import findings
from recsys.eventlog.pseudonym import pseudonym
from recsys.service.aliases import Aliases
from recsys.service.logs import Logs

REMEMBERED_S = 3_600.0
REMEMBERED_EVENTS = 500_000
SCHEMA = "outcome.v1"


class Seen:
    """Events of the last hour, at most so many: what this worker need not write again."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, capacity: int = REMEMBERED_EVENTS) -> None:
        self._clock = clock
        self._capacity = capacity
        self._when: OrderedDict[bytes, float] = OrderedDict()

    def __contains__(self, key: bytes) -> bool:
        when = self._when.get(key)
        return when is not None and self._clock() - when <= REMEMBERED_S

    def add(self, key: bytes) -> None:
        """Remember an event, and forget those that are too old or too many."""
        now = self._clock()
        self._when[key] = now
        self._when.move_to_end(key)
        while self._when and (len(self._when) > self._capacity or now - next(iter(self._when.values())) > REMEMBERED_S):
            self._when.popitem(last=False)


class Collector:
    """Takes outcomes of one worker."""

    def __init__(
        self, logs: Logs, salt: bytes, seen: Seen | None = None, *, previous_salt: bytes | None = None
    ) -> None:
        self._logs = logs
        self._salt = salt
        self._aliases = Aliases(logs.outcome, previous_salt)
        self._seen = seen or Seen()
        self._turn = asyncio.Lock()
        self._check = checker(SCHEMA)
        self._decode = msgspec.json.Decoder(Outcome).decode

    async def collect(self, tenant_id: str, events: list[bytes]) -> list[OutcomeResult]:
        """Write the events that are valid and new; one result each, in order. All lines are written in one go.

        RequestError (503) where they cannot be written: then none of them was, and the client should send them again.
        """
        if self._logs.outcome is None:
            hint = "Set OUTCOME_LOG_PATH and start the service again."
            raise RequestError(503, "RECSYS_INTERNAL", "the outcome log is not enabled", hint=hint, retry_after=60)
        async with self._turn:  # else an event that comes twice at once is written twice
            results, taken, keys = self._sort_out(tenant_id, events)
            if taken:
                try:
                    await self._logs.log_outcomes(taken)
                except StorageError as error:
                    raise RequestError(503, "RECSYS_INTERNAL", error.problem, retry_after=5) from error
                for key in keys:
                    self._seen.add(key)
        return results

    def _sort_out(self, tenant_id: str, events: list[bytes]) -> tuple[list[OutcomeResult], list[Outcome], list[bytes]]:
        results: list[OutcomeResult] = []
        taken: list[Outcome] = []
        new: dict[bytes, None] = {}
        for index, event in enumerate(events):
            outcome = self._checked(tenant_id, event)
            if isinstance(outcome, str):
                results.append(OutcomeResult(index=index, status="rejected", error=outcome))
                continue
            keys = _keys(tenant_id, outcome)
            if any(key in new or key in self._seen for key in keys):
                results.append(OutcomeResult(index=index, status="duplicate"))
                continue
            new.update(dict.fromkeys(keys))
            taken.append(self._pseudonymised(tenant_id, outcome))
            results.append(OutcomeResult(index=index, status="accepted"))
        return results, taken, list(new)

    def _checked(self, tenant_id: str, event: bytes) -> Outcome | str:
        """The outcome, or why it is refused. A newline in JSON can only be white space between tokens."""
        line = event.replace(b"\n", b" ").replace(b"\r", b" ")
        if self._check(line):
            faults = findings(line, SCHEMA)
            return "; ".join(f"{fault.path}: found {fault.found}, expected {fault.expected}" for fault in faults)
        outcome = self._decode(line)
        if outcome.context and outcome.context.get("tenant_id", tenant_id) != tenant_id:
            return "$.context.tenant_id: found another tenant, expected that of the credential"
        return outcome

    def _pseudonymised(self, tenant_id: str, outcome: Outcome) -> Outcome:
        """As it is logged: the exposure's user_id, and the tenant in the context. A user_id that only repeats the
        request_id names nobody: the exposure of such a request carries it as it is."""
        user = outcome.user_id.strip()
        hashed = user
        if user != outcome.request_id:
            hashed = pseudonym(self._salt, user)
            self._aliases.note(user, hashed)
        context = {**(outcome.context or {}), "tenant_id": tenant_id}
        return msgspec.structs.replace(outcome, user_id=hashed, context=context)


def _keys(tenant_id: str, outcome: Outcome) -> list[bytes]:
    """What makes an event the same as another: its event_id, and its request, item, type and instant."""
    key = ("key", outcome.request_id, outcome.item_id, outcome.event_type, outcome.ts.timestamp().hex())
    named = [key] if not outcome.event_id else [key, ("event", outcome.event_id)]
    return [hashlib.blake2b(repr((tenant_id, part)).encode(), digest_size=16).digest() for part in named]

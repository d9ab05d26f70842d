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
REPEATED_REQUESTS = 100
"""So many requests may wait for others that write the same events; beyond it they are told to come again."""
SCHEMA = "outcome.v1"
Keys = tuple[bytes, ...]


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
        self._writing: dict[bytes, asyncio.Event] = {}
        self._repeated = 0
        self._check = checker(SCHEMA)
        self._decode = msgspec.json.Decoder(Outcome).decode

    async def collect(self, tenant_id: str, events: list[bytes]) -> list[OutcomeResult]:
        """Write the events that are valid and new; one result each, in order. All lines are written in one go.

        RequestError (503) where they cannot be written: then none of them was, and the client should send them again.
        """
        if self._logs.outcome is None:
            hint = "Set OUTCOME_LOG_PATH and start the service again."
            raise RequestError(503, "RECSYS_INTERNAL", "the outcome log is not enabled", hint=hint, retry_after=60)
        checked = [self._checked(tenant_id, event) for event in events]
        keys = [() if isinstance(outcome, str) else _keys(tenant_id, outcome) for outcome in checked]
        await self._others(keys)
        results, taken = self._sort_out(checked, keys)
        if taken:
            await self._write([self._pseudonymised(tenant_id, outcome) for outcome, _ in taken],
                              [key for _, each in taken for key in each])  # fmt: skip
        return results

    async def _others(self, keys: list[Keys]) -> None:
        """Wait until no other request writes one of these events: if it fails, they are still to be written."""
        while writing := next((self._writing[key] for each in keys for key in each if key in self._writing), None):
            if self._repeated >= REPEATED_REQUESTS:
                told = "too many requests wait for others that write the same events"
                raise RequestError(503, "RECSYS_OVERLOADED", told, retry_after=1)
            self._repeated += 1
            try:
                await writing.wait()
            finally:
                self._repeated -= 1

    async def _write(self, outcomes: list[Outcome], keys: list[bytes]) -> None:
        written = asyncio.Event()
        self._writing.update(dict.fromkeys(keys, written))
        try:
            await self._logs.log_outcomes(outcomes)
            for key in keys:
                self._seen.add(key)
        except StorageError as error:
            raise RequestError(503, "RECSYS_INTERNAL", error.problem, retry_after=5) from error
        finally:
            for key in keys:
                del self._writing[key]
            written.set()

    def _sort_out(
        self, checked: list[Outcome | str], keys: list[Keys]
    ) -> tuple[list[OutcomeResult], list[tuple[Outcome, Keys]]]:
        """One result each, and the outcomes that are to be written."""
        results: list[OutcomeResult] = []
        taken: list[tuple[Outcome, Keys]] = []
        new: set[bytes] = set()
        for index, (outcome, own) in enumerate(zip(checked, keys, strict=True)):
            if isinstance(outcome, str):
                results.append(OutcomeResult(index=index, status="rejected", error=outcome))
            elif any(key in new or key in self._seen for key in own):
                results.append(OutcomeResult(index=index, status="duplicate"))
            else:
                new.update(own)
                taken.append((outcome, own))
                results.append(OutcomeResult(index=index, status="accepted"))
        return results, taken

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


def _keys(tenant_id: str, outcome: Outcome) -> Keys:
    """What makes an event the same as another: its event_id, and its request, item, type and instant."""
    key = ("key", outcome.request_id, outcome.item_id, outcome.event_type, outcome.ts.timestamp().hex())
    named = [key] if not outcome.event_id else [key, ("event", outcome.event_id)]
    return tuple(hashlib.blake2b(repr((tenant_id, part)).encode(), digest_size=16).digest() for part in named)

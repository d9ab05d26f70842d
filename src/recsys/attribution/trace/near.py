"""An id that no exposure has: which ids of the logs resemble it, and what may be the matter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from difflib import SequenceMatcher
from uuid import UUID

from msgspec import Struct

from recsys.contracts.trace import NearId

MOST = 5
ALIKE = 0.8
"""How alike two ids must be, of 1: a character of five may differ."""
_AROUND = " \t\r\n\"'`,;:()[]{}<>"
"""What an id is often copied with."""


class Sought(Struct, frozen=True):
    """``exact``: other spellings of an id, sought as they are; ``head`` and ``tail``: its halves, with which ids begin
    or end that differ from it in the other half."""

    exact: tuple[str, ...]
    head: str
    tail: str


def sought(request_id: str) -> Sought:
    """What to look for."""
    plain = request_id.strip(_AROUND) or request_id
    middle = (len(plain) + 1) // 2
    spellings = dict.fromkeys((plain, plain.lower(), plain.upper()))
    spellings.pop(request_id, None)
    return Sought(tuple(spellings), plain[:middle], plain[-middle:])


def nearest(request_id: str, found: Iterable[str]) -> list[NearId]:
    """The most alike of ``found``, each with how it differs."""
    plain = request_id.strip(_AROUND).casefold()
    rated = [(_likeness(plain, other), other) for other in sorted(set(found) - {request_id})]
    best = sorted((rate for rate in rated if rate[0] >= ALIKE), key=lambda rate: (-rate[0], rate[1]))[:MOST]
    return [NearId(request_id=other, difference=_difference(request_id, other)) for _, other in best]


def _likeness(plain: str, other: str) -> float:
    folded = other.strip().casefold()
    if folded == plain:
        return 1.0
    if folded.startswith(plain) or plain.startswith(folded) or folded.endswith(plain) or plain.endswith(folded):
        return 0.99
    return SequenceMatcher(None, plain, folded, autojunk=False).ratio()


def _difference(request_id: str, other: str) -> str:
    if request_id.strip(_AROUND) == other.strip(_AROUND):
        return "white space or punctuation around it"
    plain, folded = request_id.strip(_AROUND).casefold(), other.strip().casefold()
    if folded == plain:
        return "upper and lower case"
    if folded.startswith(plain) or folded.endswith(plain) or plain.startswith(folded) or plain.endswith(folded):
        count = abs(len(folded) - len(plain))
        how = "longer" if len(folded) > len(plain) else "shorter"
        return f"length: it is {count} character{'' if count == 1 else 's'} {how}"
    return "some characters"


def made_at(request_id: str) -> datetime | None:
    """When an id of the service was made: a UUIDv7 begins with that, in milliseconds. None for other ids."""
    try:
        uuid = UUID(request_id.strip(_AROUND))
        return datetime.fromtimestamp((uuid.int >> 80) / 1000, UTC) if uuid.version == 7 else None
    except (ValueError, OverflowError):  # no UUID, or of a year that there will hardly be
        return None


def checks(request_id: str, span: tuple[datetime, datetime] | None, gaps: int, near: Sequence[NearId]) -> list[str]:
    """What to look at, the likeliest first. ``span``: from when to when the exposures are; ``gaps``: of how many losses
    the logs tell."""
    found = []
    if request_id != request_id.strip(_AROUND):
        found.append("The id was given with white space or punctuation around it.")
    if near:
        found.append("Is one of the ids meant that resemble it?")
    made = made_at(request_id)
    covered = "" if span is None else f"the exposures are from {_utc(span[0])} to {_utc(span[1])}"
    if made is not None and span is not None and not span[0] <= made <= span[1]:
        found.append(f"The id was made at {_utc(made)}, and {covered}: give the files of that day.")
    elif made is not None:
        found.append(f"The id was made at {_utc(made)}" + (f"; {covered}." if covered else "."))
    elif covered:
        found.append(f"Is that the right time? {covered[0].upper()}{covered[1:]}.")
    if gaps:
        found.append("The logs know of records that they lost: the gaps below; `recsys-service log verify` tells more.")
    found.append("Was the list logged? The answer's `meta.exposure.logged` says so; a refused request (4xx) is not.")
    found.append("Are these the logs of the right service, and of all of its workers?")
    return found


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"

"""What a run has to do: the logs that are named, surveyed before anything is written, and the new lines in batches."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct, field

from recsys.attribution.columns import Role
from recsys.attribution.compact.manifest import Consumed, Manifest, RoleAlias, WriterGap
from recsys.attribution.compact.survey import Surveyed, survey
from recsys.contracts.report import KnownGap
from recsys.errors import InputError
from recsys.eventlog.audit import known_loss
from recsys.eventlog.reader import LogFile, beside, localize
from recsys.eventlog.validation import Progress

BATCH_BYTES = 4 << 30
"""So much JSONL is sorted at once: what is larger gives more parts."""
COMPRESSED = (".gz", ".zst")


class Piece(Struct, frozen=True):
    """New lines of a log: of ``plain``, where it can be read more than once, else of what ``log`` is unpacked to."""

    log: LogFile
    surveyed: Surveyed
    plain: Path | None = None

    @property
    def name(self) -> str:
        """What a person calls the log."""
        return str(self.log)

    @property
    def identity(self) -> str:
        """What the manifest calls it: the same from whatever folder it is named."""
        return identity(self.log)


class Plan(Struct, kw_only=True):
    """``unfinished``: log → bytes of a last line without its newline. ``unchanged``: logs that hold nothing new."""

    batches: list[list[Piece]] = field(default_factory=list)
    unfinished: dict[str, int] = field(default_factory=dict)
    unchanged: int = 0
    gaps: list[WriterGap] = field(default_factory=list)
    aliases: list[RoleAlias] = field(default_factory=list)


def plan(
    role: Role, logs: Sequence[LogFile], manifest: Manifest, scratch: Path, on_progress: Progress, batch_bytes: int
) -> Plan:
    """Survey the logs of a role. What they give depends on neither their order nor on what a run that was cut off has
    taken of them. InputError for a log that is no longer what was taken of it."""
    found = Plan()
    taken = [each for batch in manifest.of(role) for each in batch.inputs]
    points = {(each.bytes, each.sha256) for each in taken}
    pieces: list[Piece] = []
    seen: list[tuple[LogFile, Surveyed]] = []
    for log, advance in _in_order(logs, on_progress):
        with plain_of(log, scratch) as (plain, is_copy):
            done = survey(plain, points, (lambda _: None) if is_copy else advance)
            _add_losses(found, role, str(log), beside(log, plain))
            keep = plain if not is_copy or _is_stream(log) else None
        seen.append((log, done))
        if done.rest:
            found.unfinished[str(log)] = done.rest
        if not done.new_bytes:
            found.unchanged += 1
            continue
        pieces.append(Piece(log, done, keep))
        points.add((done.end, done.sha256))
    _refuse_changed(seen, taken)
    found.batches = _batches(pieces, batch_bytes)
    return found


@contextmanager
def plain_of(log: LogFile, scratch: Path) -> Iterator[tuple[Path, bool]]:
    """A plain file with the content of a log, and whether it is a copy, which goes with the block, but for that of what
    can be read once only."""
    if _is_stream(log):
        folder = scratch / "streams"
        folder.mkdir(exist_ok=True)
        yield localize(log, folder), True
        return
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        plain = localize(log, Path(name))
        yield plain, plain != log


def identity(log: LogFile) -> str:
    """The whole path of a file, however it is spelt; of anything else its name."""
    return str(log.resolve()) if isinstance(log, Path) and not _is_stream(log) else str(log)


def _is_stream(log: LogFile) -> bool:
    return isinstance(log, Path) and not log.is_file()


def _in_order(logs: Sequence[LogFile], on_progress: Progress) -> Iterator[tuple[LogFile, Callable[[int], None]]]:
    """The logs by name, so that days come one after the other; each with what tells of bytes that were read of it."""
    sizes = [log.stat().st_size if isinstance(log, Path) and log.is_file() else 1 for log in logs]
    total, before = sum(sizes), 0
    for log, size in sorted(zip(logs, sizes, strict=True), key=lambda each: (each[0].name, str(each[0]))):
        done = 0

        def advance(count: int, before: int = before, size: int = size) -> None:
            nonlocal done
            done = min(done + count, size)
            on_progress(before + done, total)

        yield log, advance
        before += size
        on_progress(before, total)


def _add_losses(found: Plan, role: Role, name: str, log: Path) -> None:
    told = known_loss.read([log])
    for each in told.gaps:
        gap = each.gap
        known = KnownGap(log=role, file=name, lost=gap.lost, refused=gap.refused, first=gap.first, last=gap.last,
                         reason=gap.reason)  # fmt: skip
        found.gaps.append(WriterGap(writer=each.writer, gap=known))
    found.aliases += [RoleAlias(role=role, previous=each.previous, current=each.current) for each in told.aliases]


def _refuse_changed(seen: Sequence[tuple[LogFile, Surveyed]], taken: Sequence[Consumed]) -> None:
    """InputError for a log of which something else was taken before, unless that is there under another name now.

    It is known by its path, and by its first lines: an erasure or a repair leaves at least one of these. Of standard
    input, and of pipes, the path says nothing.
    """
    there = {point for _, done in seen for point in done.known}
    latest = {each.name: each for each in taken}
    for log, done in seen:
        if not done.new_bytes:
            continue
        same_name = None if _is_stream(log) else latest.get(identity(log))
        if same_name is not None and (same_name.bytes, same_name.sha256) not in there:
            hint = "If it was rotated, name the rotated file as well; if that is gone, give this one another name."
            raise _changed(log, done, same_name, "another beginning", hint)
        for each in taken:
            # What was taken from here on, of a log that begins alike, should be what is here
            begins_alike = each.start == done.start and _alike(done.first_lines, each.first_lines)
            if begins_alike and (each.bytes, each.sha256) not in there:
                hint = f"If {each.name} is another log, name it as well; if this is a part of it, nothing of it is new."
                raise _changed(log, done, each, f"first lines of {each.name}, and then others", hint)


def _alike(lines: Sequence[str], others: Sequence[str]) -> bool:
    """Whether half of the lines are the same: a single one may have been delivered twice."""
    common = len(set(lines) & set(others))
    return common > 0 and 2 * common >= min(len(lines), len(others))


def _changed(log: LogFile, done: Surveyed, taken: Consumed, found: str, hint: str) -> InputError:
    return InputError(
        "not what was taken of it before", where=str(log),
        found=found if done.end >= taken.bytes else f"{done.end:,} bytes of whole lines",
        expected=f"{taken.bytes:,} bytes with SHA-256 {taken.sha256}, and maybe more behind them",
        hint=f"If it was changed, compact the logs anew into another folder. {hint}",
    )  # fmt: skip


def _batches(pieces: Sequence[Piece], batch_bytes: int) -> list[list[Piece]]:
    """The pieces in their order, as many at once as are within the limit: a run that was cut off after some batches
    goes on with the same ones."""
    batches: list[list[Piece]] = []
    size = batch_bytes
    for piece in pieces:
        if size + piece.surveyed.new_bytes > batch_bytes:
            batches.append([])
            size = 0
        batches[-1].append(piece)
        size += piece.surveyed.new_bytes
    return batches

"""``_compacted.json``: what a compacted folder holds, of which logs, and what is known to be lost of these."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from recsys.attribution.columns import Role
from recsys.contracts.report import KnownGap
from recsys.errors import InputError
from recsys.eventlog.writing.index import Alias

FORMAT = "compacted.v1"


class _Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all entries share."""


class Consumed(_Entry, frozen=True, kw_only=True):
    """The lines of a log that a batch took: those from byte ``start``, which is line ``line`` (1-based), up to byte
    ``bytes``. ``sha256`` is of all bytes up to there, decompressed; ``rows`` counts the lines taken, the ``invalid``
    ones too. ``name``: the whole path, a URL, or ``-``. ``first_lines``: hashes of those of its first lines that name a
    request, by which a log is known that was changed since, under whatever name."""

    name: str
    start: int
    bytes: int
    sha256: str
    line: int
    rows: int
    invalid: int
    first_lines: list[str] = field(default_factory=list)


class Part(_Entry, frozen=True, kw_only=True):
    """A Parquet file; ``path`` is relative to the folder."""

    path: str
    rows: int
    bytes: int
    sha256: str


class Batch(_Entry, frozen=True, kw_only=True):
    """Lines of one role that were taken at once, and the parts they gave. ``invalid``: the file that holds those of
    them that are not valid, relative to the folder; None where all are."""

    role: Role
    inputs: list[Consumed]
    parts: list[Part]
    invalid: str | None = None

    def files(self) -> list[str]:
        """All files that the batch gave, relative to the folder."""
        return [part.path for part in self.parts] + ([] if self.invalid is None else [self.invalid])


class WriterGap(_Entry, frozen=True, kw_only=True):
    """A gap that an index told of, and the writer whose it is."""

    writer: str
    gap: KnownGap


class RoleAlias(_Entry, frozen=True, kw_only=True):
    """A pseudonym of an earlier salt and its present one, as an index beside a log of this role tells."""

    role: Role
    previous: str
    current: str


class Manifest(_Entry, frozen=True, kw_only=True):
    """All batches in the order in which they were taken; gaps and aliases in an order of their own."""

    format: Literal["compacted.v1"] = FORMAT
    batches: list[Batch] = field(default_factory=list)
    gaps: list[WriterGap] = field(default_factory=list)
    aliases: list[RoleAlias] = field(default_factory=list)

    def of(self, role: str) -> list[Batch]:
        """The batches of a role."""
        return [batch for batch in self.batches if batch.role == role]

    def parts(self, role: str) -> dict[str, Part]:
        """The parts of a role by their paths."""
        return {part.path: part for batch in self.of(role) for part in batch.parts}

    def valid_rows(self, role: str) -> int:
        """How many rows of a role the parts hold."""
        return sum(part.rows for part in self.parts(role).values())


def read(path: Path) -> Manifest | None:
    """The manifest in a file; None where there is no such file. InputError where it cannot be read as one."""
    try:
        return decoded(path.read_bytes(), str(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _not_one(str(path), error.strerror or str(error)) from None


def decoded(content: bytes, where: str) -> Manifest:
    """The manifest that a file holds. InputError where it is none."""
    try:
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _not_one(where, str(error)) from None


def _not_one(where: str, found: str) -> InputError:
    hint = "It tells what the folder holds: put it back as it was, or compact the logs anew into another folder."
    return InputError("not the manifest of a compacted folder", where=where, found=found, hint=hint)


def encoded(manifest: Manifest) -> bytes:
    """The content of the file: the same for the same manifest."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def batch_id(role: Role, inputs: Iterable[Consumed]) -> str:
    """16 hex digits that stand for these lines, whatever their files are called."""
    taken = sorted((each.sha256, each.start, each.bytes) for each in inputs)
    return sha256(msgspec.json.encode([role, taken])).hexdigest()[:16]


def with_losses(manifest: Manifest, gaps: Iterable[WriterGap], aliases: Iterable[RoleAlias]) -> Manifest:
    """The manifest with these gaps and aliases too. Of a gap that was told before, when it was not over yet, the later
    account stands."""
    known: dict[tuple[object, ...], WriterGap] = {}
    for each in (*manifest.gaps, *gaps):
        gap = each.gap
        key = (gap.log, each.writer, gap.first, gap.reason)
        before = known.get(key)
        if before is None or before.gap.lost + before.gap.refused < gap.lost + gap.refused:
            known[key] = each
    in_order = sorted(known.values(), key=lambda each: (each.gap.log, each.gap.first, each.writer, each.gap.reason))
    names = {(each.role, each.previous, each.current): each for each in (*manifest.aliases, *aliases)}
    return replace(manifest, gaps=in_order, aliases=[names[key] for key in sorted(names)])


def aliases_of(manifest: Manifest, role: str) -> list[Alias]:
    """The aliases that the logs of a role told of."""
    return [Alias(previous=each.previous, current=each.current) for each in manifest.aliases if each.role == role]

"""The salt of the pseudonyms: given by the operator, or made once for development."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from recsys.errors import ConfigError, StorageError

VARIABLE = "EXPOSURE_HASH_SALT"
MIN_BYTES = 32
FILE_NAME = "exposure-hash-salt"
PLACEHOLDERS = ("change-me", "changeme", "change_me", "secret", "example", "placeholder", "your-salt", "default")


def load(value: str | None, *, data_dir: Path, production: bool) -> bytes:
    """The salt in bytes: ``value`` where it is set, else the one kept in ``data_dir`` (made there at first use, 0600).

    In production ConfigError refuses a missing salt, one under 32 bytes, and a known placeholder.
    """
    if production:
        _refuse_weak(value)
    if value:
        return value.encode()
    return _kept(data_dir / FILE_NAME)


def _refuse_weak(value: str | None) -> None:
    hint = f"Set {VARIABLE} to at least {MIN_BYTES} random bytes, for example from `openssl rand -hex 32`."
    if not value:
        raise ConfigError("no salt is set", where=VARIABLE, expected="a secret salt in production", hint=hint)
    if len(value.encode()) < MIN_BYTES:
        found = f"{len(value.encode())} bytes"
        raise ConfigError(
            "the salt is too short", where=VARIABLE, found=found, expected=f"{MIN_BYTES} or more", hint=hint
        )
    if any(word in value.lower() for word in PLACEHOLDERS) or len(set(value)) < 8:
        raise ConfigError("the salt is a placeholder", where=VARIABLE, expected="a random secret", hint=hint)


def _kept(path: Path) -> bytes:
    """The content of ``path``; processes that start together end up with one salt."""
    try:
        if not path.exists():
            _make(path)
        salt = path.read_bytes().strip()
    except OSError as error:
        hint = f"Set {VARIABLE}, or name a writable folder with RECSYS_DATA_DIR."
        raise StorageError(
            "the development salt cannot be kept", where=str(path), found=str(error), hint=hint
        ) from None
    if not salt:
        hint = f"Restore it, or remove it for a new one: pseudonyms then change. Or set {VARIABLE}."
        raise StorageError("the development salt is empty", where=str(path), hint=hint)
    return salt


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        fd = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(secrets.token_hex(32))
        with suppress(FileExistsError):  # another process was first: then its salt counts
            path.hardlink_to(own)
    finally:
        own.unlink(missing_ok=True)

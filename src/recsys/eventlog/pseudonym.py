"""Pseudonyms: how a raw identifier becomes what the logs hold.

``hex(HMAC-SHA256(key = salt, message = identifier trimmed, UTF-8))``, 64 lower-case hex digits, for user, anonymous and
session ids alike, so that any client that knows the salt can reproduce them.
"""

from __future__ import annotations

import hmac


def pseudonym(salt: bytes, identifier: str) -> str:
    """The pseudonym of ``identifier`` under ``salt``; white space around the identifier does not count."""
    return hmac.digest(salt, identifier.strip().encode(), "sha256").hex()

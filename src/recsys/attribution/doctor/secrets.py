"""Passwords, tokens and keys: told by the name of what holds them, and by the forms that issuers give them."""

from __future__ import annotations

import re

from recsys.attribution.doctor.spellings import words

_NAMED = re.compile(
    r"passw(?:or)?d|passphrase|passcode|secret|token|bearer|credential|authorization|cookievalue"
    r"|(?:api|access|private|signing|encryption|session|auth)key|sess(?:ion)?id|signature"
)
"""Looked for in a name without its marks: ``api_key``, ``X-Api-Key``, ``userpassword``."""
_SHORT = frozenset({"pwd", "pass", "pw", "jwt", "otp", "pin", "csrf", "xsrf", "sid", "hmac", "creds"})
_HOLDERS = frozenset({"session", "sess", "cookie", "cookies", "auth", "oauth"})
"""A name that ends so holds the thing itself; ``cookie_consent`` and ``auth_provider`` tell something about it."""
_ISSUED = re.compile(
    r"(?i:bearer|basic|token)[ :]+[\w+/=.~-]{6,}$"  # an Authorization header
    r"|eyJ[\w-]{5,}"  # a JSON Web Token
    r"|(?:sk|whsec)[-_][\w-]{6,}|[pr]k_(?:live|test)_"
    r"|(?:gh[pousr]|github_pat|npm|hf|dop_v1)_\w{10,}|(?:glpat|pypi)-[\w-]{10,}|xox[a-z]-|shpat_"
    r"|A[KS]IA[0-9A-Z]{12}|AIza[\w-]{10}"
)
_HEX = re.compile(r"[0-9a-fA-F]{32,}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_RUN = re.compile(r"(?=[\w+/-]*[0-9])(?=[\w+/-]*[a-z])(?=[\w+/-]*[A-Z])[0-9A-Za-z_+/-]{20,}={0,2}")
_THINGS = frozenset(
    {
        "version", "release", "commit", "revision", "rev", "sha", "git", "build", "manifest", "model", "config",
        "tenant", "experiment", "variant", "surface", "page", "campaign", "store", "shop",
    }
)  # fmt: skip
"""Things that are named by a UUID, or by the hash of a commit: under other names such a value opens something."""


def named_secret(name: str) -> bool:
    """Whether what stands under this name is a password, a token or a key: ``api_key``, ``sessionId``, ``cookie``."""
    parts = words(name)
    return bool(
        _NAMED.search("".join(parts))
        or _SHORT & set(parts)
        or (parts and parts[-1] in _HOLDERS)
        or (len(parts) > 1 and parts[-2] in _HOLDERS and parts[-1] in {"id", "value", "data", "hash", "header"})
    )


def issued(value: str) -> bool:
    """Whether a value has the form of a secret that somebody issued: ``Bearer …``, a JSON Web Token, ``sk-…``."""
    return _ISSUED.match(value.strip()) is not None


def random(name: str, value: str) -> bool:
    """Whether a value is long and random, and its name not of a thing that is called so, as a commit or a tenant is."""
    return not _THINGS & set(words(name)) and bool(_HEX.fullmatch(value) or _RUN.fullmatch(value))

"""What the name of a column tells of its values: an item id is no phone number, a version is no address."""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+[0-9]*|[0-9]+")
_ITEMS = frozenset((
    "item", "items", "sku", "skus", "product", "products", "article", "asin", "ean", "upc", "gtin", "isbn", "issn",
    "mpn", "part", "model"
))  # fmt: skip
_VERSIONS = frozenset((
    "version", "versions", "ver", "build", "release", "revision", "rev", "firmware", "sdk", "semver", "os", "agent",
    "ua", "browser"
))  # fmt: skip
_ADDRESSES = frozenset((
    "ip", "ips", "ipaddr", "ipaddress", "ipv4", "ipv6", "addr", "remote", "host", "forwarded", "peer", "xff"
))  # fmt: skip
_CARDS = frozenset((
    "card", "cards", "pan", "payment", "cc", "credit", "debit", "creditcard"
))  # fmt: skip


class Column:
    """A column such as ``exposures.user_id`` or ``outcomes.context.clientIp``, judged by the words of its last part."""

    def __init__(self, name: str) -> None:
        self.name = name
        relation, _, rest = name.partition(".")
        words = {word.lower() for word in _WORD.findall(rest.removeprefix("context.") or relation)}
        self.of_items = bool(words & _ITEMS)
        self.of_versions = bool(words & _VERSIONS)
        self.of_addresses = bool(words & _ADDRESSES) and not self.of_versions
        self.of_cards = bool(words & _CARDS)

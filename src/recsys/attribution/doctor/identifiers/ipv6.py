"""IPv6 addresses (RFC 4291 §2.2), also with a zone (RFC 4007), a port or a prefix length, amid text.

One of eight groups is an address unless no group has three digits (an EUI-64 has two each), or all are decimal
numbers in no range that is in use. One with ``::``, which also parts namespaces (``a::b``, ``2345::789``), has to be
in a range that is in use (global unicast and link-local of RFC 4291 §2.4, unique local of RFC 4193, NAT64 of RFC
6052) and to have three groups or a digit above nine; or four groups with such a digit. Loopback, unspecified and
multicast addresses identify nobody and are left out.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from recsys.attribution.doctor.identifiers.column import Column
from recsys.attribution.doctor.identifiers.sighting import NOTHING, Kind, Page, Sighting

_HEX = "[0-9A-Fa-f]"
_TOKEN = re.compile(
    rf"[^0-9A-Za-z](?=[0-9A-Fa-f:]{{0,40}}::|(?:{_HEX}{{1,4}}:){{6}})"
    rf"({_HEX}{{0,4}}(?::{_HEX}{{0,4}}){{2,9}}(?:(?:\.[0-9]{{1,3}}){{3}})?)(?![0-9A-Za-z])"
)
_IN_USE = tuple(map(ipaddress.IPv6Network, ("2000::/3", "fc00::/7", "fe80::/10", "64:ff9b::/96")))
_MAX_PREFIXES = 2


class Ipv6s:
    """Finds IPv6 addresses; each stands for itself."""

    kind = Kind.IPV6

    def __init__(self, column: Column) -> None:
        self._column = column

    def pick(self, page: Page) -> Page:
        """The lines with two colons side by side, or six."""
        if ":" not in page.text:
            return NOTHING
        return page.only(lambda line: "::" in line or line.count(":") >= 6)

    def look(self, page: Page) -> Iterator[Sighting]:
        """Addresses, with the prefix that stands before them with a colon."""
        for match in _TOKEN.finditer(page.text):
            token = match[1] if match[1].endswith("::") else match[1].rstrip(":")
            for _ in range(_MAX_PREFIXES + 1):
                if self._is_address(token):
                    yield match.start(1), match.end(), None
                    break
                token = token.partition(":")[2]

    def accepted(self) -> dict[None, float]:
        """All of them."""
        return {None: 0.0}

    def _is_address(self, token: str) -> bool:
        try:
            address = ipaddress.IPv6Address(token)
        except ValueError:
            return False
        if "::" in token and (address.is_loopback or address.is_unspecified or address.is_multicast):
            return False
        return self._column.of_addresses or "." in token or _is_plausible(token, address)


def _is_plausible(token: str, address: ipaddress.IPv6Address) -> bool:
    groups = [group for group in token.split(":") if group]
    in_use = any(address in network for network in _IN_USE)
    letters = not token.replace(":", "").isdigit()
    if "::" not in token:
        return max(map(len, groups)) >= 3 and (in_use or letters)
    return (in_use and (letters or len(groups) >= 3)) or (letters and len(groups) >= 4 and max(map(len, groups)) >= 3)

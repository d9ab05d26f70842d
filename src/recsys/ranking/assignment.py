"""Which variant of an experiment a subject gets: a keyed hash, so that it is the same on every worker, always."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from math import gcd

TRAFFIC_STEPS = 10_000


def assign(salt: bytes, experiment_id: str, subject: str, variants: Sequence[tuple[str, int]]) -> str:
    """The variant of ``subject``: the first 8 bytes of HMAC-SHA256(salt, "experiment:subject") as a big-endian number,
    modulo the sum of the weights, counted along the variants in their declared order.

    ``variants`` are (name, weight) with integer weights ≥ 1; the weights are reduced by their greatest common divisor,
    so equal weights are the number modulo the count of variants. ValueError where there is no variant.
    """
    if not variants:
        raise ValueError("an experiment needs at least one variant")
    divisor = gcd(*(weight for _, weight in variants))
    place = _number(salt, f"{experiment_id}:{subject}") % sum(weight // divisor for _, weight in variants)
    for name, weight in variants:
        place -= weight // divisor
        if place < 0:
            return name
    raise ValueError("weights must be positive")


def in_traffic(salt: bytes, experiment_id: str, subject: str, percent: float) -> bool:
    """Whether ``subject`` takes part at all, when ``percent`` (0–100) of the subjects do."""
    number = _number(salt, f"traffic:{experiment_id}:{subject}")
    return number % TRAFFIC_STEPS < percent * (TRAFFIC_STEPS // 100)


def _number(salt: bytes, message: str) -> int:
    return int.from_bytes(hmac.digest(salt, message.encode(), "sha256")[:8], "big")

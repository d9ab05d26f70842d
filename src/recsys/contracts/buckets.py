"""The sums that a report carries so that it can be compared with another: by bucket of users, and no bucket small."""

from __future__ import annotations

from msgspec import field

from recsys.contracts.estimate import Part


class SliceBuckets(Part, frozen=True, kw_only=True):
    """Sums of one slice over ``count`` buckets of users, each with at least 10. ``n``: what means are over
    (``exposures``, ``responded``, or the name of a metric that counts lists of its own), and ``y``: sums of a metric's
    scores in units of 2⁻⁴⁰; both by name → int[count]. A mean is Σy ÷ Σn ÷ 2⁴⁰. ``users``: in all."""

    slice_key: str = ""
    slice_value: str = ""
    users: int
    count: int
    n: dict[str, list[int]] = field(default_factory=dict)
    y: dict[str, list[int]] = field(default_factory=dict)


class Buckets(Part, frozen=True, kw_only=True):
    """``requests``: a fingerprint of the set of request ids, in any order; two reports with the same one are of the
    same requests. ``slices``: the whole first; of one that is missing no division has 10 users in each bucket, and
    ``note`` says so of the whole. Taken away from the whole, those of one key leave no bucket of fewer users either;
    ``withheld`` says by slice key what is left out for that, or for their number. ``left_out``: the figure of a
    spread without each group of users; null where it was shown nothing, or where nothing is left."""

    requests: str
    exposures: int
    impressions: int
    slices: list[SliceBuckets] = field(default_factory=list)
    left_out: dict[str, list[float | None]] = field(default_factory=dict)
    withheld: dict[str, str] = field(default_factory=dict)
    note: str = ""

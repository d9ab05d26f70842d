"""The relations: which there are, what each reads, and its text in ``sql/<name>.sql``."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from types import MappingProxyType

STAGED = ("staged_exposures", "staged_outcomes", "staged_assignments", "policy")
"""What an engine makes of the logs and of the policy. All relations come of these tables."""

TABLES = MappingProxyType(
    {
        "repeated_requests": ("staged_exposures",),
        "settled_exposures": ("staged_exposures", "repeated_requests"),
        "exposures": ("staged_exposures", "repeated_requests", "settled_exposures"),
        "outcome_fates": ("staged_outcomes", "staged_assignments", "exposures", "settled_exposures", "policy"),
        "relevant": ("outcome_fates",),
        "joined_requests": ("staged_outcomes",),
    }
)
"""Relations that others read, in the order in which they are made, with what each reads."""

VIEWS = frozenset({"exposures"})
"""Those of ``TABLES`` that are no tables: what they read would be held twice."""

QUERIES = MappingProxyType(
    {
        "clicks_by_rank": ("outcome_fates",),
        "exposure_counts": ("exposures", "joined_requests"),
        "fate_counts": ("outcome_fates",),
        "hours": ("exposures", "outcome_fates"),
        "joined_outcomes": ("outcome_fates",),
        "list_lengths": ("exposures",),
        "outcome_flags": ("outcome_fates",),
        "users": ("exposures",),
    }
)
"""Relations that nobody else reads, with what each reads."""


@cache
def text(name: str) -> str:
    """The SQL of a relation, in DuckDB's dialect, with its header comment."""
    return files("recsys.attribution").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")

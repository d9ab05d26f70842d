"""The relations: which there are, what each reads, and its text in ``sql/<name>.sql``."""

from __future__ import annotations

from collections.abc import Mapping
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
        "outcome_matches": ("staged_outcomes", "staged_assignments", "exposures", "settled_exposures"),
        "outcome_verdicts": ("outcome_matches", "policy"),
        "first_touches": ("outcome_verdicts", "policy"),
        "outcome_fates": ("outcome_verdicts", "first_touches"),
        "relevant": ("outcome_fates",),
        "inferred_credits": ("outcome_verdicts", "exposures", "policy"),
        "relevant_or_inferred": ("relevant", "inferred_credits"),
        "joined_requests": ("staged_outcomes",),
    }
)
"""Relations that others read, in the order in which they are made, with what each reads."""

VIEWS = frozenset({"exposures", "outcome_verdicts", "outcome_fates", "relevant_or_inferred"})
"""Those of ``TABLES`` that are no tables: what they read would be held twice."""

QUERIES = MappingProxyType(
    {
        "clicks_by_rank": ("outcome_fates",),
        "exposure_counts": ("exposures", "joined_requests"),
        "fate_counts": ("outcome_fates",),
        "hours": ("exposures", "outcome_fates"),
        "inferred_outcomes": ("inferred_credits",),
        "joined_outcomes": ("outcome_fates", "inferred_credits"),
        "list_lengths": ("exposures",),
        "outcome_flags": ("outcome_fates",),
        "users": ("exposures",),
    }
)
"""Relations that nobody else reads, with what each reads."""


DOCTOR: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ambiguous_requests": ("settled_exposures", "outcome_fates"),
        "duplicate_outcomes": ("outcome_fates", "staged_outcomes"),
        "exposure_buckets": ("exposures", "joined_requests", "doctor"),
        "exposure_marks": ("exposures", "doctor"),
        "fate_buckets": ("outcome_fates", "doctor"),
        "following_lists": ("exposures", "doctor"),
        "named_users": ("outcome_fates", "doctor"),
        "repeated_outcomes": ("outcome_fates",),
        "slice_pairs": ("outcome_fates", "staged_outcomes", "exposures"),
        "subject_peaks": ("exposures", "outcome_fates"),
        "user_mismatches": ("outcome_fates", "user_pairs", "doctor"),
        "user_pairs": ("outcome_fates",),
        "user_spans": ("exposures", "doctor"),
    }
)
"""Relations that only the doctor reads, with what each reads; ``doctor`` is the one row of its parameters. ``slice_1``
and ``slice_2`` are the tenant and the surface there."""

EXPERIMENT_TABLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "nameless_requests": ("exposures",),
        "subject_assignments": ("staged_assignments", "nameless_requests", "experiment"),
        "assigned_units": ("subject_assignments",),
        "experiment_units": ("assigned_units", "experiment"),
        "first_assignments": ("experiment_units", "subject_assignments", "experiment"),
        "repeated_assignments": ("subject_assignments", "experiment"),
        "assigned_requests": ("subject_assignments", "repeated_assignments", "experiment"),
        "experiment_exposures": ("exposures", "assigned_requests", "experiment_units", "experiment"),
        "experiment_relevant": ("outcome_fates", "experiment_exposures", "experiment_units", "experiment"),
        "experiment_lists": ("experiment_units", "experiment_exposures"),
        "valued_outcomes": ("outcome_fates", "experiment"),
        "experiment_outcomes": ("valued_outcomes", "experiment_exposures"),
        "experiment_unit_sums": ("experiment_lists", "experiment_outcomes"),
    }
)
"""Relations of one experiment that others read, in the order in which they are made, with what each reads;
``experiment`` is the one row of its parameters. The first three are of all experiments."""

EXPERIMENT_VIEWS = frozenset(
    {
        "subject_assignments", "experiment_lists", "valued_outcomes", "experiment_outcomes", "experiment_unit_sums",
        "first_assignments", "assigned_requests", "experiment_relevant", "log_lists", "log_outcomes",
    }
)  # fmt: skip
"""Those that are no tables."""

EXPERIMENT_QUERIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "crossed_arms": ("assigned_units",),
        "experiment_assignments": (
            "subject_assignments",
            "repeated_assignments",
            "experiment_exposures",
            "experiment",
        ),
        "experiment_moments": ("experiment_unit_sums",),
        "experiment_names": ("subject_assignments",),
        "experiment_standings": ("experiment_exposures",),
        "unjoined_outcomes": ("valued_outcomes",),
    }
)
"""Relations of experiments that nobody else reads, with what each reads."""

WHOLE_LOG: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "log_exposures": ("exposures", "experiment"),
        "log_units": ("experiment_exposures",),
        "log_lists": ("exposures",),
        "log_outcomes": ("valued_outcomes",),
    }
)
"""What stands in for ``experiment_exposures``, ``experiment_units``, ``experiment_lists`` and ``experiment_outcomes``,
under their names, where the log as a whole is looked at, with what each reads."""

COMPARED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "credited_outcomes": ("outcome_verdicts", "first_touches", "inferred_credits"),
        "unit_differences": ("policy_unit_sums", "reference_unit_sums"),
    }
)
"""What stands in for ``outcome_fates`` and ``experiment_unit_sums``, under their names, where policies are compared,
with what each reads."""


@cache
def text(name: str) -> str:
    """The SQL of a relation, in DuckDB's dialect, with its header comment."""
    return files("recsys.attribution").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")

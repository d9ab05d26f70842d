"""The detectors, causes before what they explain, and which of them explain which."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from recsys.attribution.doctor.detectors.ambiguous_requests import AMBIGUOUS_REQUESTS
from recsys.attribution.doctor.detectors.anonymous_identity import ANONYMOUS_IDENTITY
from recsys.attribution.doctor.detectors.context_keys import CONTEXT_KEYS
from recsys.attribution.doctor.detectors.delays import CLOCK_SKEW, LATE_OUTCOMES, WINDOW_TOO_SHORT
from recsys.attribution.doctor.detectors.far_past import FAR_PAST
from recsys.attribution.doctor.detectors.future import FUTURE
from recsys.attribution.doctor.detectors.list_shapes import LIST_SHAPES
from recsys.attribution.doctor.detectors.lost_records import LOST_RECORDS
from recsys.attribution.doctor.detectors.match_rate import MATCH_RATE
from recsys.attribution.doctor.detectors.new_pseudonyms import NEW_PSEUDONYMS
from recsys.attribution.doctor.detectors.only_outcomes import ONLY_OUTCOMES
from recsys.attribution.doctor.detectors.personal_data import PERSONAL_DATA
from recsys.attribution.doctor.detectors.propensities import PROPENSITIES
from recsys.attribution.doctor.detectors.refused_lines import MISSING_REQUEST_ID, REFUSED_LINES
from recsys.attribution.doctor.detectors.repetitions import DUPLICATES, REPEATED_LISTS
from recsys.attribution.doctor.detectors.slicing_keys import SLICING_KEYS
from recsys.attribution.doctor.detectors.traffic import BOTS, NEVER_RENDERED
from recsys.attribution.doctor.detectors.user_mismatch import USER_MISMATCH
from recsys.attribution.doctor.detectors.variants import ASSIGNMENT_MISSING, SAMPLE_RATIO, TWO_VARIANTS
from recsys.attribution.doctor.detectors.weak_hashes import WEAK_HASHES
from recsys.attribution.doctor.symptoms import Detector

DETECTORS: tuple[Detector, ...] = (
    REFUSED_LINES,
    ONLY_OUTCOMES,
    LOST_RECORDS,
    MISSING_REQUEST_ID,
    ANONYMOUS_IDENTITY,
    NEW_PSEUDONYMS,
    USER_MISMATCH,
    PERSONAL_DATA,
    WEAK_HASHES,
    SLICING_KEYS,
    CONTEXT_KEYS,
    AMBIGUOUS_REQUESTS,
    FAR_PAST,
    CLOCK_SKEW,
    BOTS,
    DUPLICATES,
    LATE_OUTCOMES,
    WINDOW_TOO_SHORT,
    REPEATED_LISTS,
    NEVER_RENDERED,
    TWO_VARIANTS,
    ASSIGNMENT_MISSING,
    SAMPLE_RATIO,
    PROPENSITIES,
    LIST_SHAPES,
    FUTURE,
    MATCH_RATE,
)

EXPLAINS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "refused_lines": frozenset({"only_outcomes", "match_rate"}),
        "only_outcomes": frozenset({"match_rate", "never_rendered"}),
        "lost_records": frozenset({"match_rate"}),
        "anonymous_identity": frozenset({"user_mismatch"}),
        "new_pseudonyms": frozenset({"user_mismatch"}),
        "user_mismatch": frozenset({"personal_data", "weak_hashes"}),
        "personal_data": frozenset({"weak_hashes"}),
        "ambiguous_requests": frozenset({"match_rate", "repeated_lists", "never_rendered", "assignment_missing"}),
        "far_past": frozenset({"window_too_short"}),
        "clock_skew": frozenset({"late_outcomes", "window_too_short", "future"}),
        "late_outcomes": frozenset({"window_too_short"}),
        "bots": frozenset({"duplicates", "repeated_lists", "never_rendered"}),
        "duplicates": frozenset({"late_outcomes", "window_too_short"}),
        "repeated_lists": frozenset({"never_rendered"}),
        "two_variants": frozenset({"assignment_missing"}),
    }
)
"""Of two findings about the same rows the first explains the second where its detector can be the cause of it. Of one
detector the first finding explains the others about its rows."""

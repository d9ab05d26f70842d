"""The detectors, causes before what they explain: of two findings about the same rows the earlier one is the cause."""

from __future__ import annotations

from recsys.attribution.doctor.detectors.ambiguous_requests import AMBIGUOUS_REQUESTS
from recsys.attribution.doctor.detectors.anonymous_identity import ANONYMOUS_IDENTITY
from recsys.attribution.doctor.detectors.delays import CLOCK_SKEW, LATE_OUTCOMES, WINDOW_TOO_SHORT
from recsys.attribution.doctor.detectors.future import FUTURE
from recsys.attribution.doctor.detectors.list_shapes import LIST_SHAPES
from recsys.attribution.doctor.detectors.lost_records import LOST_RECORDS
from recsys.attribution.doctor.detectors.match_rate import MATCH_RATE
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
    ONLY_OUTCOMES,
    LOST_RECORDS,
    REFUSED_LINES,
    MISSING_REQUEST_ID,
    ANONYMOUS_IDENTITY,
    USER_MISMATCH,
    PERSONAL_DATA,
    WEAK_HASHES,
    SLICING_KEYS,
    AMBIGUOUS_REQUESTS,
    CLOCK_SKEW,
    LATE_OUTCOMES,
    WINDOW_TOO_SHORT,
    BOTS,
    DUPLICATES,
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

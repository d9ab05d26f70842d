"""Whether figures of these logs may be relied on; the first question of every evaluation."""

from __future__ import annotations

from recsys.attribution.policy import Policy
from recsys.contracts.report import DataQuality


def reasons_to_hold(quality: DataQuality, policy: Policy) -> list[str]:
    """Why the figures cannot be relied on, in words; empty where they can. The join rate is no reason: it is a
    response rate."""
    reasons = []
    if not quality.exposures.distinct:
        reasons.append(f"there is no valid exposure: {_why_none(quality.exposures.invalid)}")
    if quality.rates.match.denominator == 0:
        reasons.append(f"there is no valid outcome: {_why_none(quality.fates.invalid)}")
    elif not quality.exposures.distinct:
        pass  # nothing could match: that no exposure is valid says why
    elif quality.rates.match.value is not None and quality.rates.match.value < policy.min_match_rate:
        match = quality.rates.match
        reasons.append(
            f"the match rate is {match.value:.2%} ({match.numerator:,} of {match.denominator:,} outcomes found their "
            f"exposure), under its minimum of {policy.min_match_rate:.2%}: the logs lose or alter request_ids"
            f"{_orphans(quality)}"
        )
    return [*reasons, *_losses(quality, policy)]


def _orphans(quality: DataQuality) -> str:
    if not quality.lost_exposures:
        return ""
    return f"; outcomes of the {quality.lost_exposures:,} lists that are in no log are among those without an exposure"


def _losses(quality: DataQuality, policy: Policy) -> list[str]:
    """Logs of which too large a share is known to be lost."""
    fates = quality.fates
    return [
        f"{lost:,} of {lost + logged:,} {what} are in no log, which is {lost / (lost + logged):.2%}, over the limit of "
        f"{policy.max_lost_rate:.2%}"
        for what, lost, logged in (
            ("lists shown", quality.lost_exposures, quality.exposures.distinct),
            ("outcomes", quality.lost_outcomes, fates.rows - fates.invalid - fates.duplicate),
        )
        if lost and lost > policy.max_lost_rate * (lost + logged)
    ]


def _why_none(invalid: int) -> str:
    if invalid:
        return f"all {invalid:,} rows of the log are invalid; `recsys-eval validate` says why"
    return "the log is empty; nothing was logged, or it is not the right file"


def warnings(quality: DataQuality) -> list[str]:
    """What a reader should know though it does not stop an evaluation."""
    exposures = quality.exposures
    told = [
        (exposures.invalid, "exposure rows are invalid and were left out"),
        (quality.fates.invalid, "outcome rows are invalid and were left out"),
        (quality.conflicting_duplicates, "repeated outcomes differ from the one that counts"),
        (exposures.ambiguous, "exposures share their request_id with another list and attract no outcome"),
        (quality.user_mismatch, "outcomes carry another user_id than their exposure"),
        (exposures.anonymous, "exposures have no user: each is a unit of its own in the intervals"),
        (exposures.repeated_rank, "exposures give one rank to several items"),
        (exposures.repeated_item, "exposures show one item twice; its best rank counts"),
        (exposures.rank_gap, "exposures have a gap in their ranks; ranks are counted without it"),
        (exposures.zero_propensity, "exposures show an item with propensity 0, which cannot be"),
        (quality.lost_exposures, "lists that were shown are in no log; intervals are widened for them"),
        (quality.lost_outcomes, "outcomes that were written are in no log; intervals are widened for them"),
        (quality.lost_assignments, "assignments that were made are in no log"),
        (quality.refused, "requests were refused for want of a log; nothing was shown or taken for them"),
        (quality.aliases, "pseudonyms of an earlier salt are taken for those that stand for them now"),
    ]
    found = [f"{count:,} {text}." for count, text in told if count]
    for key, missing in quality.missing_keys.items():
        if missing:
            found.append(f"{missing:,} of {exposures.distinct:,} exposures have no {key} in their context.")
    return found

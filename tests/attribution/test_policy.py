"""The choices of an attribution: durations as people write them, and what tolerance and windows do exactly."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.attribution.policy import MAX_DURATION_S, Policy, duration, spelt
from recsys.errors import ConfigError

MICROS = {"us": 1, "ms": 10**3, "s": 10**6, "m": 6 * 10**7, "h": 36 * 10**8, "d": 864 * 10**8, "w": 6048 * 10**8}


@given(
    st.integers(0, 10**5), st.sampled_from(["", ".5", ".25", ".000"]), st.sampled_from(sorted(MICROS)), st.booleans()
)
def test_a_duration_is_its_number_times_its_unit(whole, part, unit, blank):
    """A duration is what exact decimals make of its number and its unit; a bare number is seconds."""
    exact = Decimal(f"{whole}{part}") * MICROS[unit]
    text = f" {whole}{part}{' ' if blank else ''}{unit}"
    if exact > MAX_DURATION_S * 10**6:
        with pytest.raises(ConfigError, match="out of range"):
            duration(text, where="here")
    else:
        assert abs(Decimal(duration(text, where="here")) * 10**6 - exact) < Decimal("0.5")
    assert duration(whole, where="here") == duration(float(whole), where="here") == whole


BAD = [
    "", " ", "5", "s", "5 seconds", "5S", "1e3s", "-1s", "+1s", ".5s", "5.s", "1,5s", "1h30m", "٥s", "5s\n5s", "∞s",
    None, True, False, [], ["5s"], {"s": 5}, -1, -0.001, float("nan"), float("inf"), MAX_DURATION_S + 1,
    10**400, "9" * 400 + "s", "101 years", f"{101 * 365}d",
]  # fmt: skip


@pytest.mark.parametrize("value", BAD, ids=lambda value: repr(value)[:20])
def test_what_is_no_duration_is_refused(value):
    """Anything else is a ConfigError that names the place, is short, and says what a duration looks like."""
    with pytest.raises(ConfigError) as refused:
        duration(value, where="attribution.tolerance")
    assert refused.value.where == "attribution.tolerance"
    assert refused.value.expected in {"a duration such as 500ms, 5s, 30m, 1h or 7d", "0 to 100 years"}
    assert len(str(refused.value)) < 160


@given(st.one_of(st.floats(0, MAX_DURATION_S), st.integers(0, int(MAX_DURATION_S)).map(float)))
def test_a_spelt_duration_reads_back_exactly(seconds):
    """What a report writes of a duration is read as the same number, however small, large or odd it is."""
    assert duration(spelt(seconds), where="here") == seconds


def test_durations_are_spelt_plainly():
    """Whole seconds are written without decimals, and no duration in the form 1e+06."""
    assert [spelt(seconds) for seconds in (0, 5.0, 0.5, 1e-6, 2_592_000.0)] == [
        "0s", "5s", "0.5s", "0.000001s", "2592000s",
    ]  # fmt: skip


EDGES = [
    # microseconds from the exposure to the outcome, event type, fate under 1.5 s tolerance and windows of 2 s and 3 s
    (-1_500_001, "click", "before_exposure"), (-1_500_000, "click", "attributed"), (2_000_000, "click", "attributed"),
    (2_000_001, "click", "after_window"), (2_000_001, "conversion", "attributed"),
    (3_000_000, "conversion", "attributed"), (3_000_001, "conversion", "after_window"),
]  # fmt: skip


def rows_at_edges():
    """One exposure for each edge, and its outcome so much later."""
    shown, done = [], []
    for n, (late, kind, _) in enumerate(EDGES):
        instant = f"{20 * 10**6 + late:08d}"
        shown.append(
            {
                "request_id": f"r{n}", "user_id": "u", "ts": "2026-02-05T10:00:20Z",
                "items": [{"item_id": "a", "rank": 1}],
            }
        )  # fmt: skip
        done.append(
            {
                "request_id": f"r{n}", "user_id": "u", "item_id": "a", "event_type": kind,
                "ts": f"2026-02-05T10:00:{instant[:2]}.{instant[2:]}Z",
            }
        )  # fmt: skip
    return shown, done


def fates(joined, policy):
    with joined(*rows_at_edges(), policy=policy) as found:
        rows = found.engine.rows("SELECT request_id, fate FROM outcome_fates")
    return [fate for _, fate in sorted(rows)]


def test_tolerance_and_windows_are_inclusive_to_the_microsecond(joined):
    """An outcome exactly at the end of the tolerance or of its type's window counts, one microsecond beyond it not."""
    policy = Policy(tolerance_s=1.5, windows_s={"click": 2.0, "conversion": 3.0})
    assert fates(joined, policy) == [fate for _, _, fate in EDGES]


def test_without_windows_nothing_is_late(joined):
    """By default an outcome may come at any time after its exposure, and 5 s before it."""
    assert set(fates(joined, Policy())) == {"attributed"}


def test_zero_is_a_limit_and_not_no_limit(joined):
    """A tolerance or a window of 0 leaves only what happens at the very instant."""
    policy = Policy(tolerance_s=0.0, windows_s={"click": 0.0, "conversion": 0.0})
    expected = ["before_exposure" if late < 0 else "after_window" for late, _, _ in EDGES]
    assert fates(joined, policy) == expected

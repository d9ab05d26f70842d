"""Figures of an experiment as digits: as many as matter, with the sign where it is one of a change."""

from __future__ import annotations

import math

NONE = "—"
"""Where there is no figure."""
DIGITS = 4
SMALLEST = 1e-9
"""Below it a figure is written with an exponent."""
CERTAIN_LOG_E = math.log(1e6)
_SPANS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def number(value: float | None, *, sign: bool = False) -> str:
    """``0.1234``, ``12,346``, ``0.2``: up to four digits that matter, and all of those before the point."""
    if value is None or not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    mark = "+" if sign else ""
    if abs(value) < SMALLEST:
        return f"{value:{mark}.{DIGITS - 1}e}"
    places = max(DIGITS - 1 - math.floor(math.log10(abs(value))), 0)
    shown = f"{value:{mark},.{places}f}"
    return shown.rstrip("0").rstrip(".") if places else shown


def signed(value: float | None) -> str:
    """``+0.1234``."""
    return number(value, sign=True)


def percent(value: float | None, *, sign: bool = True) -> str:
    """``+4.123 %`` of 0.04123."""
    shown = NONE if value is None else number(value * 100, sign=sign)
    return shown if shown == NONE else f"{shown} %"


def amount(value: float | None, *, relative: bool) -> str:
    """A change in percent of the control, or in the metric's unit."""
    return percent(value) if relative else signed(value)


def interval(low: float | None, high: float | None, *, relative: bool = False, sign: bool = True) -> str:
    """``+0.1012 to +0.1098``; a dash where there is none."""
    if low is None or high is None:
        return NONE
    if relative:
        return f"{percent(low, sign=sign)} to {percent(high, sign=sign)}"
    return f"{number(low, sign=sign)} to {number(high, sign=sign)}"


def level(value: float | None) -> str:
    """``95 %``, ``98.33 %``."""
    return NONE if value is None else f"{value * 100:.4g} %"


def p(value: float | None) -> str:
    """``0.0123``; a p-value is never 0."""
    if value is None:
        return NONE
    return "< 0.0001" if value < 0.0001 else f"{value:.3g}"


def count(value: float | None) -> str:
    """``12,345``; a tenth where it is not whole."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def span(seconds: float | None) -> str:
    """``2.1 h``: a time in the largest unit of which there is one."""
    if seconds is None:
        return NONE
    size, name = next(((size, name) for size, name in _SPANS if seconds >= size), _SPANS[-1])
    return f"{seconds / size:.3g} {name}"


def odds(log_e: float) -> str:
    """Evidence as odds: ``12 to 1 against``; ``1 to 12, which is in favour of``."""
    if abs(log_e) > CERTAIN_LOG_E:
        more = "more than a million"
        return f"{more} to 1 against" if log_e > 0 else f"1 to {more}, which is in favour of"
    if log_e >= 0:
        return f"{math.exp(log_e):,.3g} to 1 against"
    return f"1 to {math.exp(-log_e):,.3g}, which is in favour of"

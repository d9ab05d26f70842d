"""What the figures of an experiment mean, for somebody who never heard of them; a sentence or two each."""

from __future__ import annotations

HARM = (
    "Harm is suspected: a guardrail of errors, empty lists or latency fails. What breaks an arm also breaks its log: "
    "look into it now, though the logs decide nothing."
)
RELATIVE = "Relative is the change divided by the control's level: from 10 % to 10.4 % is +4 %."
P = "p is how often chance alone would show a change at least this large if the arms were the same."
ADJUSTED = (
    "Who asks many questions finds something by chance. The adjusted p allows for how many were asked; a change counts "
    "as found where it is under {alpha:g}."
)
UNITS = (
    "n counts the exposures that a figure is over, or users where it is a figure per user. Users are what is compared, "
    "for what one user does is not independent."
)
GUARDRAIL = (
    "A guardrail passes where even the worst end of the interval is within what was allowed, and fails where even the "
    "best end is not; in between it is open. Harm is how much worse the candidate is; minus is better."
)
SAMPLE_RATIO = (
    "If chance alone assigns users, each arm has about its declared share of them. Where it has not, something removes "
    "users from an arm, and what is left of it can no longer be compared."
)
SLICES = (
    "Slices say where to look; they never decide. Many slices, each a small sample: some look special by chance, so "
    "first ask whether the effect differs at all."
)
DAYS = "Each day stands for itself, with few data, so single days go up and down by chance. Look for a trend."
MATURITY = (
    "Outcomes come after the list that they belong to. Lists that are too young to have been answered pull figures "
    "down, in both arms."
)
POWER = (
    "Reckoned from the effect that was declared beforehand, never from the one that was seen. Power is the chance of "
    "finding an effect that is there."
)
FAMILIES = "Questions that were asked together are corrected together for their number."
UNJOINED = (
    "Some outcomes found no list, so nobody knows which arm they belong to. The range credits all of them to one arm, "
    "then all to the other."
)

"""The detectors, causes before what they explain: of two findings about the same rows the earlier one is the cause."""

from __future__ import annotations

from recsys.attribution.doctor.symptoms import Detector

DETECTORS: tuple[Detector, ...] = ()

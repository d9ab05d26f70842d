"""The demo's experiment: arms with a known truth, the settings that decide it, and an app that loses request ids.

``better`` ranks by what was viewed together, which is closer to the shoppers' tastes than popularity; ``equal`` ranks
as ``control`` does; ``worse`` ranks by nothing at all. ``broken`` ranks as ``better`` does, but old apps do not send
its request ids back, so its figures cannot be believed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recsys.demo.shoppers import Visit, draw

EXPERIMENT = "demo-ranking"
CONTROL, BROKEN = "control", "broken"
WEIGHTS = {"pop": 0.7, "cooc": 0.3}
"""The tenant's, and so those of the control."""
VARIANTS: dict[str, dict[str, Any]] = {
    CONTROL: {},
    "better": {"weights": {"pop": 0.1, "cooc": 0.9}},
    "equal": {"weights": WEIGHTS},
    "worse": {"weights": {"pop": 0.0, "cooc": 0.0}},
}
BROKEN_VARIANT = VARIANTS["better"]
OLD_APPS = 0.2
"""The share of shoppers whose app is of an old version. About half of all visits are by app."""
SETTINGS = """\
# How the demo's experiment is decided: recsys-eval run --config experiment.yaml ...
mode: experiment
slice_keys: [surface, device]
experiment:
  experiment_id: {experiment}
  control_variant: {control}
  candidate_variant: [{candidates}]
  srm:
    expected: {{{expected}}}
  primary_metrics: [ctr]
  guardrails: {{max_error_rate: 0, max_empty_rate: 0, max_latency_p95_ms: 500}}
  power: {{effect: 20%}}
"""


def variants(*, broken: bool) -> dict[str, dict[str, Any]]:
    """The arms in order, with what each changes."""
    return {**VARIANTS, BROKEN: BROKEN_VARIANT} if broken else dict(VARIANTS)


def configuration(*, broken: bool) -> dict[str, Any]:
    """The tenant's configuration."""
    return {"weights": WEIGHTS, "experiments": {EXPERIMENT: {"variants": variants(broken=broken)}}}


def write_settings(path: Path, *, broken: bool) -> None:
    """Write the evaluation YAML, with all arms declared."""
    arms = list(variants(broken=broken))
    text = SETTINGS.format(
        experiment=EXPERIMENT, control=CONTROL, candidates=", ".join(arm for arm in arms if arm != CONTROL),
        expected=", ".join(f"{arm}: 1" for arm in arms),
    )  # fmt: skip
    path.write_text(text, encoding="utf-8")


def sent_request_id(seed: int, visit: Visit, variant: str) -> str:
    """The request id that the outcomes of a visit carry: of an old app under the broken arm, one of its own making."""
    old = visit.device == "app" and draw(seed, str(visit.shopper), "old app") < OLD_APPS
    return f"app-{visit.number:06d}" if old and variant == BROKEN else visit.request_id

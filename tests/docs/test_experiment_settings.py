"""The guide on experiments prints the settings as they are."""

import docs_blocks
from docs_blocks import ROOT
from recsys.demo import experiment
from recsys.evaluation import config
from recsys.evaluation.config import EvaluationConfig

GUIDE = ROOT / "docs" / "how-to" / "decide-an-experiment.md"


def printed(name):
    """The YAML block of that name."""
    [text] = [block.text for block in docs_blocks.blocks(GUIDE) if block.text.startswith(f"# {name}\n")]
    return text


def test_the_defaults_are_those_of_the_guide(tmp_path):
    """Every key stands in the guide with its default, and the file is read as if nothing were given."""
    path = tmp_path / "defaults.yaml"
    path.write_text(printed("defaults.yaml"))
    assert config.read(str(path)).effective() == EvaluationConfig(mode="experiment").effective()
    text = printed("defaults.yaml")
    assert [
        key for key in EvaluationConfig(mode="experiment").effective()["experiment"] if f"  {key}:" not in text
    ] == []


def test_the_settings_of_the_demo_are_those_of_the_guide(tmp_path):
    """What the demo leaves and what the guide shows are read as the same configuration."""
    shown, left = tmp_path / "shown.yaml", tmp_path / "left.yaml"
    shown.write_text(printed("experiment.yaml"))
    experiment.write_settings(left, broken=False)
    assert config.read(str(shown)) == config.read(str(left))


def test_the_margins_are_told_in_words():
    """The sentence on the default guardrails has their numbers."""
    text = " ".join(GUIDE.read_text().split())
    rules = {rule.metric: rule.margin for rule in EvaluationConfig().experiment.guardrails}
    assert f"by less than {rules['error_rate'] * 100:g} percentage points" in text
    assert f"by less than {rules['empty_rate'] * 100:g} point" in text
    assert f"by less than {rules['latency_p95'] * 100:g} % of the control's" in text

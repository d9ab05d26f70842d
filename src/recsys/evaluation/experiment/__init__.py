"""Experiments: what is measured, its sums by arm, estimates with intervals, and the evidence of a decision."""

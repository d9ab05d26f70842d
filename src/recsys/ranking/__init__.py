"""Pure ranking: candidates, scores, constraints, experiment assignment. No I/O, no clock, no globals."""

"""recsys-eval: logs to report to decision."""

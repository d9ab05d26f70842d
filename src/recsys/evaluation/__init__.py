"""recsys-eval: from logs to a report."""

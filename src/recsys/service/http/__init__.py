"""The web layer: the only place that knows the web framework."""

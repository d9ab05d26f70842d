"""A deterministic shop, simulated shoppers, and the whole loop."""

"""Statistics on additive moments, in NumPy. No I/O, no clock, no engine."""

"""Writing logs: segments and shared files, their indexes, and what is done after a crash."""

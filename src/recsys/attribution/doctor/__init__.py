"""What is wrong with the logs, since when, and how to mend it."""

"""The event logs: pseudonyms, validation, reading, writing, rotation and retention."""

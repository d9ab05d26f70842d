"""JSONL logs made Parquet, in folders by tenant, surface and day: each line once, however often it is asked for."""

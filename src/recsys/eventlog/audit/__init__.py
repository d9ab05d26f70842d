"""Looking at logs that were written: what is whole, what is missing, what is newest."""

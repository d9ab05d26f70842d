"""One join, one fate for every row."""

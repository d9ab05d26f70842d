"""Taking the lines of a person out of logs that are closed."""

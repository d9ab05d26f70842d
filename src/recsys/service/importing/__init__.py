"""Items and past events from files into the database: read, checked, bad rows set aside, the rest copied in."""

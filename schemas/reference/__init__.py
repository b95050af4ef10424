"""Reference data that changes with time: the calendar and the divisions, with their files."""

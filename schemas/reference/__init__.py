"""What has a time of its own: the calendar and the city's divisions, with their data files."""

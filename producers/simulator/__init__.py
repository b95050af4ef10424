"""A seeded year of the city, one file per family."""

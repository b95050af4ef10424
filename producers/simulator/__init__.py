"""A seeded year of the city, a file a family."""

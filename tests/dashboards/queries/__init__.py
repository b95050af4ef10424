"""A small history for every panel query, and the expected rows, counted by hand."""

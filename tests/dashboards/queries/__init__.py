"""A small history for every query of a panel, and the rows it must give, counted by hand."""

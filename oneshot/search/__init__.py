"""Search problems, their guides, constraints and objectives, and the results of a search."""

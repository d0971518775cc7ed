"""Search problems, their constraints and results."""

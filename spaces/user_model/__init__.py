"""Search spaces made from a user's own model."""

"""Cost models over a lookup table."""

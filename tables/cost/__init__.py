"""Cost models of architectures, exact or by a lookup table."""

"""Import of latency tables that others published as lookup tables."""

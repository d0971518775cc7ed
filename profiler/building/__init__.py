"""Building of lookup tables: rounds of sampled networks and reference runs."""

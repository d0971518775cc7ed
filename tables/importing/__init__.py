"""Import of lookup tables that others published."""

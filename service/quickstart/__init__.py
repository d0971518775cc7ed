"""`pathfit quickstart`: the whole way once, by the product's own commands."""

"""Chain spaces: one operator per layer, with costs that add up."""

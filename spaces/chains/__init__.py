"""Chain spaces: blocks one after the other, with costs that add up."""

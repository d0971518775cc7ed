"""Trees on flat features: the boosted trees of the blend, and baselines."""

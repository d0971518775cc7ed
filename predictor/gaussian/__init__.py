"""The Gaussian process over the paths of a network."""

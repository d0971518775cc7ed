"""Features of architectures for Gaussian processes and trees, equal for equal networks."""

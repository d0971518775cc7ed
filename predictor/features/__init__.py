"""Features of architectures for Gaussian processes and trees: alike for networks that are alike."""

"""Results of finished jobs: fronts and exported networks."""

"""Benchmarks of predictors over training sizes and seeds."""

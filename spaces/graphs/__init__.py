"""Graphs of architectures, for predictors."""

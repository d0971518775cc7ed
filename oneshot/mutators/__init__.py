"""Mutators bind the choices of a model to values."""

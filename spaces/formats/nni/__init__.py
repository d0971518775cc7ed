"""Architectures and search spaces of NNI."""

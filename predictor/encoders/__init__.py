"""Encoders of architectures as graphs, one a file."""

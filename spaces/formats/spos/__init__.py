"""Architectures, checkpoints and FLOPs tables of the SPOS release."""

"""Spaces that are part of Pathfit, one module each."""

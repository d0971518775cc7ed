"""Spaces of recurrent cells, for text."""

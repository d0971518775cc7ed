"""Data sets: images with fixed splits; a file for each source."""

"""Runtimes that networks of images are exported to, one per file."""

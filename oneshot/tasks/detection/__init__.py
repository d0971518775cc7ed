"""Detection: boxes of objects and their classes."""

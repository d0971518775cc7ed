"""Scenes: images whose targets are boxes of objects or masks of classes."""

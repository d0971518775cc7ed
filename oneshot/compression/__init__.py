"""Compression: the smaller version of a trained network that fits a device."""

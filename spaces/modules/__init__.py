"""Torch modules that blocks, networks and supernets are built from (imports torch)."""

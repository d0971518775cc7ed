"""Torch modules of blocks, networks and supernets; importing them imports torch."""

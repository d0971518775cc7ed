"""Evaluation of many sub-networks of one supernet on the same images."""

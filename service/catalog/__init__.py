"""Catalog of the spaces, tables, guides, evaluations and data sets that requests may name."""

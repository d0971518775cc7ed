"""Conditions under which the networks of tables are measured."""

PRECISIONS = ("fp32", "fp16", "bf16", "int8")
"""Number formats in which networks run; not every backend has all of them."""

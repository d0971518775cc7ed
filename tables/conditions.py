"""Conditions under which the networks of tables are measured."""

PRECISIONS = ("fp32", "fp16", "bf16", "int8")
"""Number formats in which networks run; not every backend has all of them."""

PRECISION_BYTES = {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1}
"""Precision -> bytes of a number."""

LENGTHS = {"prefill": "prompt", "decode": "cache"}
"""Phase of networks of text -> the condition with its number of tokens.

A prompt is read at once. A cache has the tokens so far, with the one that is decoded.
"""

PRUNED = "pruned"
"""Condition `graph` of tables whose runtime removed parts of networks without effect."""

"""Decoders of text: causal transformers with elastic sizes."""

"""ENAS: a controller samples paths and learns from their accuracy."""

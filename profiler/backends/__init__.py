"""Backends: implementations of the protocol in `profiler.backends.base`, one per file."""

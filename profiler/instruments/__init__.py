"""Instruments: clocks, reference networks, memory and energy counters."""

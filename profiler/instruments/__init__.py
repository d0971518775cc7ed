"""Instruments: timing, reference networks, memory, energy and device state."""

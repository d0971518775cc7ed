"""Settings of a build, and the instruments that it reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from profiler.instruments.energy import EnergyCounter

FEWEST_ROUNDS = 8
"""Fewest rounds of a build."""


@dataclass(frozen=True)
class Settings:
    """Settings of a build.

    Args:
        budget_s: Seconds after which no further round begins.
        precision_target: Relative standard error of every block's median that suffices.
        fewest_networks: Fewest whole networks that the correction needs, if the budget allows.
        threads: Number of torch threads on the processor.
        seed: Seed of the sampled networks and their order.

    Example:
        >>> import profiler
        >>> profiler.Settings(budget_s=120.0).precision_target
        0.01
    """

    budget_s: float = 60.0
    precision_target: float = 0.01
    fewest_networks: int = 200
    threads: int = 1
    seed: int = 0


@dataclass(frozen=True)
class Instruments:
    """Instruments that a build reads in addition to the clock, where the machine has them.

    Args:
        energy: Counter of the device's energy. None without one.
        state: Function that returns the clock in MHz and the temperature in degrees Celsius, or
            None.
    """

    energy: EnergyCounter | None = None
    state: Callable[[], tuple[float, float] | None] = lambda: None

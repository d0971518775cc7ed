"""Preset: an algorithm's options with the recipe that was published with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from oneshot.algorithms.schedules import Schedule
from oneshot.training.recipe import SMALL, Recipe


@dataclass(frozen=True)
class Preset:
    """Options of an algorithm and the recipe that was published with them.

    Args:
        options: Instance of the algorithm's dataclass of options.
        recipe: Training of the weights.
        held_out: Fraction of the training images that trains the architecture; None: the data set's
            default.
        schedules: Option -> schedule that its value follows in a training.

    Example:
        >>> from oneshot.algorithms.registry import preset
        >>> preset("gdas", {"last_temperature": 1}).options.last_temperature
        1.0
    """

    options: Any
    recipe: Recipe = SMALL
    held_out: float | None = None
    schedules: Mapping[str, Schedule] = field(default_factory=dict)

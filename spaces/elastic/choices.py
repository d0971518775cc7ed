"""The choices of an elastic space: widths, heads, kernels, blocks to leave out, input sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from spaces.chains.resolution import RESOLUTION
from spaces.choice import Choice, Values
from spaces.elastic.coupling import ChannelGroup
from spaces.elastic.cutting import Cut
from spaces.elastic.slices import Positions, Slices

RATIOS = (1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25)
"""Fractions of the channels that a group may keep."""

KEEP = "keep"
SKIP = "skip"


@dataclass(frozen=True)
class Width:
    """How many units of a group of coupled channels are kept.

    Args:
        key: Name of the choice.
        group: Group of coupled channels.
        counts: Units that each candidate keeps, from all of them downwards.
        order: Units from the most to the least important, int array [units].
        by_heads: Whether the units are heads of attention.
    """

    key: str
    group: ChannelGroup
    counts: tuple[int, ...]
    order: Positions = field(repr=False)
    by_heads: bool = False

    @property
    def slices(self) -> Slices:
        """Slices that the group owns."""
        return self.group.slices

    def choice(self) -> Choice:
        """Return the choice; a candidate is the number of channels, or of heads."""
        size = 1 if self.by_heads else self.group.channels // self.group.units
        return Values.from_values(self.key, [count * size for count in self.counts])

    def reductions(self) -> tuple[int, ...]:
        """Return the number of units that each candidate removes."""
        return tuple(self.group.units - count for count in self.counts)

    def removed(self, code: int) -> NDArray[np.bool_]:
        """Return which units a candidate removes, bool array [units]."""
        mask = np.ones(self.group.units, dtype=bool)
        mask[self.order[: self.counts[code]]] = False
        return mask


@dataclass(frozen=True)
class Kernel:
    """The side of a depthwise kernel, cropped to its centre.

    Args:
        path: Path of the convolution.
        sides: Side of each candidate, from the original downwards.
    """

    path: str
    sides: tuple[int, ...]

    @property
    def key(self) -> str:
        """Name of the choice."""
        return f"{self.path}.kernel"

    def choice(self) -> Choice:
        """Return the choice; a candidate is the side in pixels."""
        return Values.from_values(self.key, self.sides)

    def reductions(self) -> tuple[int, ...]:
        """Return the pixels that each candidate's side is shorter than the original."""
        return tuple(self.sides[0] - side for side in self.sides)


@dataclass(frozen=True)
class Removal:
    """Whether a residual block is kept.

    Args:
        path: Path of the block.
        items: Number of items of the tuple that it returns, 0 where it returns a tensor.
    """

    path: str
    items: int = 0

    @property
    def key(self) -> str:
        """Name of the choice."""
        return f"{self.path}.block"

    def choice(self) -> Choice:
        """Return the choice between keeping and leaving out."""
        return Choice(self.key, (KEEP, SKIP))

    def reductions(self) -> tuple[int, ...]:
        """Return 0 for both candidates: no tensor changes its size."""
        return 0, 0


@dataclass(frozen=True)
class InputSize:
    """The side of the square images that the network takes.

    Args:
        sides: Side of each candidate in pixels, from the original's downwards.
        path: Path of the module whose input it is: the network.
    """

    sides: tuple[int, ...]
    path: str = ""

    @property
    def key(self) -> str:
        """Name of the choice."""
        return RESOLUTION

    def choice(self) -> Choice:
        """Return the choice; a candidate is the side in pixels."""
        return Values.from_values(self.key, self.sides)

    def reductions(self) -> tuple[int, ...]:
        """Return 0 for all candidates: no weight changes its size."""
        return (0,) * len(self.sides)


ElasticChoice: TypeAlias = Width | Kernel | Removal | InputSize


def width_counts(units: int, size: int, divisor: int) -> tuple[int, ...]:
    """Return the numbers of units that candidates keep.

    They are `RATIOS` of the units, rounded so that the channels are multiples of `divisor`, or of a
    half, quarter, ... of it where a group has few channels.

    Args:
        units: Number of units.
        size: Channels of a unit.
        divisor: Preferred divisor of the number of channels.

    Example:
        >>> width_counts(64, 1, 8)
        (64, 56, 48, 40, 32, 24, 16)
        >>> width_counts(12, 64, 8)
        (12, 10, 9, 7, 6, 4, 3)
    """
    # Units of several channels need fewer of them for a multiple of the divisor.
    step = divisor // math.gcd(divisor, size)
    # The smallest candidate would otherwise be rounded up to a whole step.
    while step > 1 and units * RATIOS[-1] < step:
        step //= 2

    counts = {units}
    for ratio in RATIOS[1:]:
        # Halves are rounded down, so that each candidate is a smaller network.
        count = math.ceil(units * ratio / step - 0.5) * step
        counts.add(min(units, max(1, count)))
    return tuple(sorted(counts, reverse=True))


def cut_of(choices: Sequence[ElasticChoice], codes: Sequence[int]) -> Cut:
    """Return the parts that the codes [choices] of an architecture remove from the network."""
    removed = []
    kernels: dict[str, int] = {}
    skipped: dict[str, int] = {}
    for choice, code in zip(choices, map(int, codes), strict=True):
        if isinstance(choice, Width):
            # The candidate 0 is the original, which needs no cut.
            if code:
                removed.append((choice.slices, choice.removed(code)))
        elif isinstance(choice, Kernel):
            if code:
                kernels[choice.path] = choice.sides[code]
        elif isinstance(choice, Removal) and code:
            skipped[choice.path] = choice.items

    return Cut(tuple(removed), kernels, skipped)

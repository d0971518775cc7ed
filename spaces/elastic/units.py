"""Units: sets of coupled channels that can only be removed together."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from torch import nn

from spaces.elastic.errors import UnequalCut
from spaces.elastic.slices import CONVOLUTION, Member, Positions


class Partition:
    """A partition of units, which unions make coarser.

    Args:
        count: Number of units, each alone at first.

    Example:
        >>> partition = Partition(4)
        >>> partition.join([0, 2])
        >>> partition.labels().tolist()
        [0, 1, 0, 2]
    """

    def __init__(self, count: int):
        self._parent = list(range(count))

    def _root(self, unit: int) -> int:
        while self._parent[unit] != unit:
            # Paths are halved on the way, so that later searches are short.
            self._parent[unit] = self._parent[self._parent[unit]]
            unit = self._parent[unit]
        return unit

    def join(self, units: Iterable[int]) -> None:
        """Merge the sets of several units."""
        first, *others = map(int, units)
        for unit in others:
            # The least unit is the root, by which `labels` numbers the sets.
            low, high = sorted((self._root(first), self._root(unit)))
            self._parent[high] = low

    def labels(self) -> Positions:
        """Return the set of each unit, numbered in the order of their least units."""
        roots = np.array([self._root(unit) for unit in range(len(self._parent))])
        return np.unique(roots, return_inverse=True)[1].astype(np.int64)


def joint_units(members: Iterable[Member], count: int) -> Positions:
    """Return the set that each of `count` units is removed with, int array [count].

    Groups of a grouped convolution and of GroupNorm keep equal sizes: the channels at one position
    of all groups go together.

    Raises:
        UnequalCut: Groups hold channels of other sets of coupled channels as well.
    """
    partition = Partition(count)
    for member in members:
        groups, channels = _groups(member)
        if groups == 1:
            continue
        if len(member.index) < channels:
            raise UnequalCut(f"the groups of {member.path} hold channels of several layers")

        size = channels // groups
        for position in range(size):
            partition.join(member.unit[member.index % size == position])
    return partition.labels()


def _groups(member: Member) -> tuple[int, int]:
    """Return the groups that a member's channels are in, and the number of its channels."""
    module = member.item
    if isinstance(module, nn.GroupNorm):
        return module.num_groups, module.num_channels
    if isinstance(module, CONVOLUTION) and module.groups > 1:
        # A depthwise convolution may lose any of its channels, each with its group.
        if module.groups == module.in_channels == module.out_channels:
            return 1, module.out_channels
        return module.groups, module.out_channels if member.is_output else module.in_channels
    return 1, len(member.index)

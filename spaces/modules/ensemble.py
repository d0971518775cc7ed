"""Networks and supernets that average the scores of several members."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spaces.modules.supernet import Supernet

if TYPE_CHECKING:
    from spaces.zoo.ensemble import EnsembleSpace


class EnsembleNetwork(nn.Module):
    """The mean of several networks' scores.

    Args:
        members: Networks of one input and one shape of scores.
    """

    def __init__(self, members: Sequence[nn.Module]):
        super().__init__()
        self.members = nn.ModuleList(members)

    @property
    def blocks(self) -> list[nn.Module]:
        """Modules of the blocks of all members, in order."""
        return [block for member in self.members for block in member.blocks]  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> Tensor:
        return mean_of(self.members, x)


class EnsembleSupernet(Supernet):
    """The mean of several supernets' scores; each has weights of its own.

    Args:
        space: Space whose architectures it runs.
        members: Supernets of the members' space.
    """

    space: EnsembleSpace

    def __init__(self, space: EnsembleSpace, members: Sequence[Supernet]):
        super().__init__(space)
        self.members = nn.ModuleList(members)

    def _activate(self, codes: NDArray[np.signedinteger[Any]]) -> None:
        for member, part in zip(self.members, self.space.parts(codes), strict=True):
            member.activate(part)  # type: ignore[operator]

    def forward(self, x: Tensor) -> Tensor:
        return mean_of(self.members, x)

    def path(self) -> list[nn.Module]:
        """Return the modules that the active architecture executes, in order."""
        return [module for member in self.members for module in member.path()]  # type: ignore[operator]


def mean_of(members: nn.ModuleList, x: Tensor) -> Tensor:
    """Return the mean of the members' scores."""
    # In one order, so that equal members give equal bits.
    return torch.stack([member(x) for member in members]).mean(0)

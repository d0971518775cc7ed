"""ElasticDepthSpace: a chain whose stages may end early."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spaces.chains.chain import ChainSpace
from spaces.space import Codes

if TYPE_CHECKING:
    import torch

    from spaces.modules.supernet import Supernet

SKIP = "skip"
"""The first candidate of a layer that may be left out."""


class ElasticDepthSpace(ChainSpace):
    """A chain in which the last layers of each stage may be left out.

    The layers of a stage that may be left out are equal but for their place, so that only their
    sequence counts: `skip, k3e6` is the network of `k3e6, skip`, which is its one spelling.

    Args:
        optional: for each stage the keys of the layers that may be left out, whose first candidate
            is `skip`.
        arguments: of ChainSpace.
    """

    irregular = True

    def __init__(self, *arguments: Any, optional: Sequence[Sequence[str]]):
        super().__init__(*arguments)
        column = {choice.key: index for index, choice in enumerate(self.choices)}
        self.optional = [[column[key] for key in stage] for stage in optional if stage]

    @property
    def size(self) -> int:
        """How many architectures there are."""
        ends = {column for stage in self.optional for column in stage}
        counts = [len(choice.candidates) for choice in self.choices]
        size = math.prod(count for column, count in enumerate(counts) if column not in ends)
        for stage in self.optional:
            size *= sum((counts[stage[0]] - 1) ** taken for taken in range(len(stage) + 1))
        return size

    def canonical(self, codes: Codes) -> Codes:
        """`codes` [n, choices] with the layers that are left out at the end of their stage."""
        settled = codes.copy(order="F")
        for stage in self.optional:
            part = codes[:, stage]
            order = np.argsort(part == 0, axis=1, kind="stable")
            settled[:, stage] = np.take_along_axis(part, order, 1)
        return settled

    def _draw(self, rng: np.random.Generator, n: int) -> Codes:
        """Depths uniform, then each layer's candidate uniform, as Once-for-All samples."""
        codes = super()._draw(rng, n)
        for stage in self.optional:
            taken = rng.integers(len(stage) + 1, size=n)
            for place, column in enumerate(stage):
                drawn = rng.integers(1, self.candidates[column], size=n)
                codes[:, column] = np.where(place < taken, drawn, 0)
        return codes

    def supernet(
        self, num_classes: int | None = None, generator: torch.Generator | None = None
    ) -> Supernet:
        """The network whose parts are the candidates (Once-for-All), its weights drawn from
        `generator` (seed 0).
        """
        from spaces.modules.elastic_supernet import elastic_supernet

        return elastic_supernet(self, self.layout_for(num_classes), self._initialise(), generator)

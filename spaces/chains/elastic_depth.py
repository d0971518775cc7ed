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

    from spaces.architecture import Architecture
    from spaces.modules.supernet import Supernet

SKIP = "skip"
"""The first candidate of an optional layer, which leaves it out."""


class ElasticDepthSpace(ChainSpace):
    """A chain in which the last layers of each stage are optional.

    The optional layers of a stage are equal, so that only the order of those that remain counts:
    `skip, k3e6` and `k3e6, skip` are one network, whose canonical form is the latter.

    Args:
        arguments: Positional arguments of ChainSpace.
        optional: For each stage the keys of its optional layers, whose first candidate is `skip`.
        dropout: Probability of dropout before the classifier of networks; None: that of the
            classifier's operator.
        supernet_dropout: The same of the supernet.
    """

    irregular = True

    def __init__(
        self,
        *arguments: Any,
        optional: Sequence[Sequence[str]],
        dropout: float | None = None,
        supernet_dropout: float | None = None,
    ):
        super().__init__(*arguments)
        self.dropout = dropout
        self.supernet_dropout = supernet_dropout
        column = {choice.key: index for index, choice in enumerate(self.choices)}
        # A head may leave out the last stages of its backbone.
        stages = [[column[key] for key in stage if key in column] for stage in optional]
        self.optional = [stage for stage in stages if stage]

    @property
    def size(self) -> int:
        """Number of architectures in canonical form."""
        optional = {column for stage in self.optional for column in stage}
        counts = [len(choice.candidates) for choice in self.choices]
        size = math.prod(count for column, count in enumerate(counts) if column not in optional)

        for stage in self.optional:
            # A stage of depth d has any candidate but `skip` in each of its first d layers.
            size *= sum((counts[stage[0]] - 1) ** depth for depth in range(len(stage) + 1))

        return size

    def canonical(self, codes: Codes) -> Codes:
        """Return codes [n, choices] with the skipped layers at the end of their stage."""
        ordered = codes.copy(order="F")
        for stage in self.optional:
            columns = codes[:, stage]
            # A stable sort keeps the order of the layers that remain.
            order = np.argsort(columns == 0, axis=1, kind="stable")
            ordered[:, stage] = np.take_along_axis(columns, order, 1)

        return ordered

    def _draw(self, rng: np.random.Generator, n: int) -> Codes:
        """Draw depths uniformly, then the candidates of each layer, as Once-for-All does."""
        # The columns of optional layers are overwritten below.
        codes = super()._draw(rng, n)
        for stage in self.optional:
            depths = rng.integers(len(stage) + 1, size=n)
            for index, column in enumerate(stage):
                candidates = rng.integers(1, self.candidates[column], size=n)
                codes[:, column] = np.where(index < depths, candidates, 0)

        return codes

    def supernet(
        self, num_classes: int | None = None, generator: torch.Generator | None = None
    ) -> Supernet:
        """Build Once-for-All's supernet, in which candidates are slices of shared weights.

        Args:
            num_classes: Number of classes of the classifier. None: the space's.
            generator: Source of the initial weights. None: a new one with seed 0.
        """
        from spaces.modules.elastic_supernet import elastic_supernet

        supernet = elastic_supernet(self, num_classes, self._initialise(), generator)
        _set_dropout(supernet, self.supernet_dropout)
        return supernet

    def network(
        self,
        architecture: Architecture,
        num_classes: int | None = None,
        generator: torch.Generator | None = None,
    ) -> torch.nn.Module:
        """Build the standalone network, initialised by `generator` (None: seed 0)."""
        network = super().network(architecture, num_classes, generator)
        _set_dropout(network, self.dropout)
        return network


def _set_dropout(model: torch.nn.Module, probability: float | None) -> None:
    """Set the probability of all dropout of a model; None leaves it."""
    from torch import nn

    # After the model is built: a block's key, under which its costs are recorded, has no dropout.
    for module in model.modules():
        if isinstance(module, nn.Dropout) and probability is not None:
            module.p = probability

"""The network of a search over NAS-Bench-201's cells by PC-DARTS.

Xu et al., ICLR 2020 (arXiv 1907.05737).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from spaces.architecture import Architecture
from spaces.cells.nasbench201 import EDGES
from spaces.errors import InvalidParameter
from spaces.registry import get, register_space
from spaces.space import SearchSpace
from spaces.zoo.nasbench201 import NasBench201Space

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from spaces.modules.cells import CellSupernet
    from spaces.modules.supernet import Supernet


class NasBench201SearchSpace(NasBench201Space):
    """A network whose mixtures have a part of the channels, for cells of another space.

    Args:
        name: Canonical name.
        input_size: Side of an image in pixels.
        channels: Number of channels of the first stage.
        cells: Number of cells of a stage.
        num_classes: Number of classes that costs are counted with.
        networks: Canonical name of the space of the resulting architectures.
        channel_divisor: Ratio of the channels to those of the operations on edges. Above 1 the
            supernet runs no single architectures.
        edge_weights: Whether the edges of a node are weighted.
    """

    search_keys_are_choices = False

    def __init__(
        self,
        name: str,
        input_size: int,
        channels: int,
        cells: int,
        num_classes: int,
        networks: str,
        channel_divisor: int,
        edge_weights: bool,
    ):
        super().__init__(name, input_size, channels, cells, num_classes)
        self.networks = networks
        self.channel_divisor = channel_divisor
        self.edge_weights = edge_weights

    @property
    def network_space(self) -> SearchSpace:
        """Space of the architectures that `derive` returns."""
        return get(self.networks)

    def covers(self, space: SearchSpace) -> bool:
        """Return whether the supernet runs the architectures of `space`."""
        return self.channel_divisor == 1 and super().covers(space)

    def partial_search_space(self, channel_divisor: int, edge_weights: bool) -> SearchSpace:
        """Return this space with other mixtures; see `SearchSpace.partial_search_space`."""
        return get(self.name, channel_divisor=channel_divisor, edge_weights=edge_weights)

    def supernet(
        self, num_classes: int | None = None, generator: torch.Generator | None = None
    ) -> Supernet:
        """Build the search network; arguments as of `network`."""
        from spaces.modules.cells import CellSupernet
        from spaces.modules.network import materialise

        return materialise(
            lambda: CellSupernet(self, num_classes, self.channel_divisor),
            self.initialiser(),
            generator,
        )

    def search_model(self, supernet: Supernet) -> torch.nn.Module:
        """Return the relaxed network, with edge weights where this space has them."""
        from spaces.modules.edge_choices import StagedEdges

        return StagedEdges(cast("CellSupernet", supernet), EDGES, self.edge_weights)

    def derive(self, probabilities: Mapping[str, Tensor]) -> Architecture:
        """Return the architecture of `networks` with the most probable operation on each edge."""
        # A cell has all its edges, so that their weights decide nothing.
        codes = {choice.key: int(probabilities[choice.key].argmax()) for choice in self.choices}
        return self.network_space.architecture(
            {choice.key: choice.candidates[codes[choice.key]] for choice in self.choices}
        )


@register_space("nasbench201-search")
def nasbench201_search(
    name: str,
    /,
    *,
    input_size: int = 32,
    channels: int = 16,
    cells: int = 5,
    num_classes: int = 10,
    networks: str = "nasbench201",
    channel_divisor: int = 1,
    edge_weights: bool = False,
) -> SearchSpace:
    """Build the network in which PC-DARTS searches for cells of NAS-Bench-201.

    Args:
        name: Canonical name.
        input_size: Height and width of the images in pixels, a multiple of 4.
        channels: Channels of the first stage.
        cells: Cells of a stage.
        num_classes: Number of classes.
        networks: Space of the resulting architectures.
        channel_divisor: Ratio of the channels to those that go through the operations of an edge;
            the others pass.
        edge_weights: Whether the edges of a node are weighted.
    """
    if input_size % 4:
        raise InvalidParameter(f"{name}: input_size must be a multiple of 4, not {input_size}")
    if channels % channel_divisor:
        raise InvalidParameter(
            f"{name}: channel_divisor must divide the {channels} channels, unlike {channel_divisor}"
        )
    return NasBench201SearchSpace(
        name, input_size, channels, cells, num_classes, networks, channel_divisor, edge_weights
    )

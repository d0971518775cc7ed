"""DARTS' spaces: of the networks that are trained, and of the network of the search."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from spaces.architecture import Architecture
from spaces.block import Block
from spaces.cells.darts import Skeleton, thirds
from spaces.cells.darts_design import CELLS, CellDesign
from spaces.cells.darts_graph import OUTPUT, graphs_of_cells, positions_of
from spaces.cells.plan import Plan
from spaces.cells.space import CellSpace
from spaces.errors import InvalidParameter
from spaces.registry import get
from spaces.space import Codes, SearchSpace

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch_geometric.data import Batch

    from spaces.drawing.sketch import Sketch
    from spaces.modules.cells import CellSupernet
    from spaces.modules.network import Initialiser
    from spaces.modules.supernet import Supernet

SEARCH_CHANNELS = 16
"""Channels of the release's search network (quark0/darts, cnn/train_search.py)."""

SEARCH_LAYERS = 8
"""Cells of the release's search network."""

_SEARCHED_IN_A_SMALLER_NETWORK = ("darts", "enas")
"""Families whose published networks are larger than the network of the search."""


class DartsSpace(CellSpace):
    """Cells whose nodes each apply operations to earlier values, one to each.

    Costs are not sums over choices: the stride of an operation in the reducing cell depends on its
    input. Pools have no batch normalisation, which the paper's mixed operation adds, in the
    supernet either, so that network and supernet compute the same; the network of the release's
    search has it (`search_space`).

    Args:
        name: Canonical name.
        skeleton: Stem, cells and classifier of the networks.
        num_classes: Number of classes that costs are counted with.
        auxiliary: Whether networks have an auxiliary head. `params` leaves it out, since only
            training runs it.
    """

    operations_on_edges = True
    searches_wiring = True
    search_keys_are_choices = False

    def __init__(self, name: str, skeleton: Skeleton, num_classes: int, auxiliary: bool):
        super().__init__(name, skeleton.design.choices, skeleton.input_shape, num_classes)
        self._skeleton = skeleton
        self._auxiliary = auxiliary

    @property
    def design(self) -> CellDesign:
        """Operations and nodes of the cells."""
        return self._skeleton.design

    def plan(self, codes: NDArray[Any], num_classes: int | None = None) -> Plan:
        """Return the wiring of the network of `codes` [choices]."""
        return self._skeleton.plan(codes, num_classes or self.num_classes)

    def places(self, num_classes: int | None = None) -> Mapping[str, Block]:
        """Return the block of every module of the supernet by name."""
        return self._skeleton.places(num_classes or self.num_classes)

    def isomorphism_keys(self, codes: Codes) -> NDArray[Any]:
        """Return the codes with the operations that a node applies to one input in order.

        A node adds its operations, so that their order has no effect where their input is the same.
        """
        ordered = codes
        design = self.design
        for cell, node in itertools.product(range(len(CELLS)), range(design.nodes)):
            inputs, *operations = design.columns(cell, node)
            for selected, sources in enumerate(design.sources[node]):
                # Only inputs that are read more than once have operations to order.
                for source in {item for item in sources if sources.count(item) > 1}:
                    rows = np.flatnonzero(codes[:, inputs] == selected)
                    if not len(rows):
                        continue

                    ordered = ordered.copy(order="F") if ordered is codes else ordered
                    slots = [slot for slot, item in enumerate(sources) if item == source]
                    # All rows of these columns.
                    area = rows[:, None], np.array(operations)[slots]
                    ordered[area] = np.sort(codes[area], axis=1)

        return ordered

    def representatives(self, codes: Codes) -> Codes:
        """Return the codes of which all equal networks are one; see `isomorphism_keys`."""
        return self.isomorphism_keys(codes)

    @cached_property
    def all_blocks(self) -> dict[str, Block]:
        """Key -> block for every block that occurs in the space."""
        return {block.key: block for block in self.places().values()}

    @cached_property
    def _terms(self) -> list[tuple[int, int, NDArray[np.int32]]]:
        return list(self._skeleton.terms(list(self.all_blocks)))

    @cached_property
    def _fixed_counts(self) -> NDArray[np.int32]:
        keys = list(self.all_blocks)
        indices = [keys.index(block.key) for block in self._skeleton.fixed(self.num_classes)]
        return np.bincount(indices, minlength=len(keys)).astype(np.int32)

    def block_counts(self, codes: Codes) -> tuple[list[str], NDArray[np.int32]]:
        """Return all block keys of the space and how often each occurs, int array [n, keys]."""
        counts = np.tile(self._fixed_counts, (len(codes), 1))
        for inputs, operation, adds in self._terms:
            counts += adds[codes[:, inputs], codes[:, operation]]
        return list(self.all_blocks), counts

    def _sums(self, field: str, codes: Codes) -> NDArray[np.int64]:
        values = np.array(
            [getattr(block, field) for block in self.all_blocks.values()], dtype=np.int64
        )
        sums = np.full(len(codes), self._fixed_counts @ values, dtype=np.int64)
        for inputs, operation, adds in self._terms:
            sums += (adds @ values)[codes[:, inputs], codes[:, operation]]

        return sums

    def initialiser(self) -> Initialiser:
        """Return torch's own initialisation, as in the release."""
        from spaces.modules.initialisers import torch_initialiser

        return torch_initialiser

    def network(
        self,
        architecture: Architecture,
        num_classes: int | None = None,
        generator: torch.Generator | None = None,
    ) -> torch.nn.Module:
        """Build the standalone network, initialised from `generator` (None: seed 0)."""
        if not self._auxiliary:
            return super().network(architecture, num_classes, generator)

        from spaces.modules.darts import AuxiliaryHead, AuxiliaryNetwork
        from spaces.modules.network import materialise

        # Like CellSpace.network, with the auxiliary head on a named value of the plan.
        plan = self.plan(self.encode([architecture])[0], num_classes)
        channels, side, _ = self._skeleton.auxiliary_shape
        classes = num_classes or self.num_classes

        return materialise(
            lambda: AuxiliaryNetwork(plan, AuxiliaryHead(channels, side, classes)),
            self.initialiser(),
            generator,
        )

    def sketch(self, architecture: Architecture) -> Sketch:
        """Return the content of the architecture's picture: its two cells."""
        from spaces.drawing.cells import darts_sketch

        codes = self.encode([architecture])[0]
        return darts_sketch(self.name, codes, self.design, self._skeleton.channels)

    @property
    def operations(self) -> list[str]:
        """Names of the operations that carry information, and a cell's output."""
        return [*self.design.informative, OUTPUT]

    @property
    def positions(self) -> int:
        """Number of operations and outputs of both cells, plus one for the previous cell."""
        return positions_of(self.design)

    def _graphs(self, codes: Codes) -> Batch:
        return graphs_of_cells(codes, self.design)

    @property
    def search_space(self) -> SearchSpace:
        """Space of the release's search network, where this is a space of the release's networks.

        It has 16 channels and 8 layers, or as many as this space where that is fewer; with chosen
        positions of the reducing cells it has the layers of this space.
        """
        skeleton = self._skeleton
        layers = len(skeleton.cells)
        has_own_reductions = skeleton.reductions != thirds(layers)

        # The release has no search on images of ImageNet's size.
        if self.family not in _SEARCHED_IN_A_SMALLER_NETWORK or skeleton.strided_stem:
            return self

        channels = min(SEARCH_CHANNELS, skeleton.channels)
        searched_layers = layers if has_own_reductions else min(SEARCH_LAYERS, layers)
        return self._search_network(channels, searched_layers)

    def partial_search_space(self, channel_divisor: int, edge_weights: bool) -> SearchSpace:
        """Return the search network with a part of the channels in its mixtures.

        Args:
            channel_divisor: Ratio of the channels to those that go through a mixture.
            edge_weights: Whether the edges of a node are weighted.

        Raises:
            InvalidParameter: The space has images of ImageNet's size, or the divisor does not
                divide the channels.
        """
        skeleton = self._skeleton
        if skeleton.strided_stem:
            raise InvalidParameter(f"{self.name}: its strided stem has no search network")

        search = self.search_space
        # Of other families the search network is the space's own.
        if search is self and self.network_space is self:
            search = self._search_network(skeleton.channels, len(skeleton.cells))
        return get(search.name, channel_divisor=channel_divisor, edge_weights=edge_weights)

    def _search_network(self, channels: int, layers: int) -> SearchSpace:
        """Return the space of the search network with these channels and cells."""
        skeleton = self._skeleton
        has_own_reductions = skeleton.reductions != thirds(len(skeleton.cells))
        return get(
            "darts-search",
            input_size=self.input_shape[1],
            channels=channels,
            layers=layers,
            stem_multiplier=skeleton.stem_multiplier,
            num_classes=self.num_classes,
            networks=self.name,
            primitives=self.design.operations,
            steps=self.design.nodes,
            inputs=self.design.inputs,
            reductions=skeleton.reductions if has_own_reductions else (),
        )

    def search_model(self, supernet: Supernet) -> torch.nn.Module:
        """Return the paper's relaxed network, with a LayerChoice on each edge."""
        from spaces.modules.darts_edges import DartsEdges

        return DartsEdges(cast("CellSupernet", supernet), self._skeleton)

    def derive(self, probabilities: Mapping[str, Tensor]) -> Architecture:
        """Keep the best inputs of each node; see `spaces.modules.darts_edges`."""
        from spaces.modules.darts_edges import derive_choices

        return self.architecture(derive_choices(probabilities, self.design))


class DartsSearchSpace(DartsSpace):
    """The network of the release's search, for architectures of another space of DARTS.

    Its supernet has scale and shift in the batch normalisation of the stem, and batch normalisation
    without them after every pool (quark0/darts, cnn/model_search.py).

    Args:
        name: Canonical name.
        skeleton: Stem, cells and classifier of the search network.
        num_classes: Number of classes that costs are counted with.
        networks: Canonical name of the space of the resulting architectures.
        channel_divisor: Ratio of the channels to those of the operations on edges (PC-DARTS, arXiv
            1907.05737). Above 1 the supernet runs no single architectures.
        edge_weights: Whether the edges of a node are weighted, as in the same paper.
    """

    def __init__(
        self,
        name: str,
        skeleton: Skeleton,
        num_classes: int,
        networks: str,
        channel_divisor: int = 1,
        edge_weights: bool = False,
    ):
        super().__init__(name, skeleton, num_classes, auxiliary=False)
        self.networks = networks
        self.channel_divisor = channel_divisor
        self.edge_weights = edge_weights

    def covers(self, space: SearchSpace) -> bool:
        """Return whether the supernet runs the architectures of `space`."""
        return self.channel_divisor == 1 and super().covers(space)

    @property
    def network_space(self) -> SearchSpace:
        """Space of the architectures that `derive` returns."""
        return get(self.networks)

    def supernet(
        self, num_classes: int | None = None, generator: torch.Generator | None = None
    ) -> Supernet:
        """Build the search network; arguments as of `network`."""
        from spaces.modules.darts import SearchSupernet
        from spaces.modules.network import materialise

        return materialise(
            lambda: SearchSupernet(self, num_classes, self.channel_divisor),
            self.initialiser(),
            generator,
        )

    def search_model(self, supernet: Supernet) -> torch.nn.Module:
        """Return the relaxed network, with edge weights where this space has them."""
        from spaces.modules.darts_edges import DartsEdges

        return DartsEdges(cast("CellSupernet", supernet), self._skeleton, self.edge_weights)

    def derive(self, probabilities: Mapping[str, Tensor]) -> Architecture:
        """Return the architecture of `networks` with the best inputs of each node."""
        from spaces.modules.darts_edges import derive_choices

        return self.network_space.architecture(derive_choices(probabilities, self.design))

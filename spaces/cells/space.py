"""CellSpace: a space whose networks are wired by plans."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from spaces.architecture import Architecture
from spaces.block import Block
from spaces.cells.plan import Plan
from spaces.space import Architectures, Codes, SearchSpace

if TYPE_CHECKING:
    import torch
    from torch_geometric.data import Batch, Data

    from spaces.modules.network import Initialiser
    from spaces.modules.supernet import Supernet


class CellSpace(SearchSpace):
    """A space that says of every architecture which blocks read which values; networks and
    supernets follow.
    """

    repeats_cells = True

    @abstractmethod
    def plan(self, codes: NDArray[Any], num_classes: int | None = None) -> Plan:
        """How the network of `codes` [choices], checked, is wired (`num_classes` None: the space's
        own).
        """

    @abstractmethod
    def places(self, num_classes: int | None = None) -> Mapping[str, Block]:
        """Every place of the supernet and the block there, the largest one where architectures
        differ.
        """

    @abstractmethod
    def initialiser(self) -> Initialiser:
        """What sets the weights of a built network."""

    @abstractmethod
    def _graphs(self, codes: Codes) -> Batch:
        """The graphs of checked codes [n, choices]."""

    def blocks(self, architecture: Architecture) -> list[Block]:
        """The blocks that `network(architecture)` executes, in its order."""
        return self.plan(self.encode([architecture])[0]).blocks

    def graph(self, architecture: Architecture) -> Data:
        """The architecture as a graph for predictors; see `spaces.graph`."""
        return self.graphs([architecture]).get_example(0)

    def graphs(self, architectures: Architectures) -> Batch:
        """The graphs of many architectures, built at once."""
        return self._graphs(self.codes(architectures))

    def network(
        self,
        architecture: Architecture,
        num_classes: int | None = None,
        generator: torch.Generator | None = None,
    ) -> torch.nn.Module:
        """The stand-alone network, its weights drawn from `generator` (default: seed 0)."""
        from spaces.modules.cells import CellNetwork
        from spaces.modules.network import materialise

        plan = self.plan(self.encode([architecture])[0], num_classes)
        return materialise(lambda: CellNetwork(plan), self.initialiser(), generator)

    def supernet(
        self, num_classes: int | None = None, generator: torch.Generator | None = None
    ) -> Supernet:
        """The network that holds every candidate, its weights drawn from `generator` (default: seed
        0).
        """
        from spaces.modules.cells import CellSupernet
        from spaces.modules.network import materialise

        return materialise(lambda: CellSupernet(self, num_classes), self.initialiser(), generator)

    def search_model(self, supernet: Supernet) -> torch.nn.Module | None:
        """Return a model with LayerChoices; None, as by default, if the cells have no such form."""
        return None

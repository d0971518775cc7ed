"""CellSpace: a space whose networks follow a plan."""

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

    from spaces.modules.cells import CellSupernet
    from spaces.modules.network import Initialiser
    from spaces.modules.supernet import Supernet


class CellSpace(SearchSpace):
    """A space that plans for each architecture which blocks read which values.

    Networks, supernets and lists of blocks follow from the plan. A subclass implements `plan`,
    `places`, `initialiser`, `_graphs` and the abstract methods of SearchSpace that remain.

    Example:
        >>> import spaces
        >>> space = spaces.get("nasbench201(cells=1)")
        >>> isinstance(space, CellSpace)
        True
        >>> plan = space.plan(space.encode([space.architecture([3, 0, 0, 0, 0, 3])])[0])
        >>> [step.name for step in plan.applied][:2]
        ['stem', 'stage_0/cell_0/edge_0_1/nor_conv_3x3']
    """

    repeats_cells = True

    @abstractmethod
    def plan(self, codes: NDArray[Any], num_classes: int | None = None) -> Plan:
        """Return the wiring of a network.

        Args:
            codes: Checked codes, int array [choices].
            num_classes: Number of classes of the classifier. None: the space's.
        """

    @abstractmethod
    def places(self, num_classes: int | None = None) -> Mapping[str, Block]:
        """Return the block of every module of the supernet by name, the largest if blocks differ.

        Args:
            num_classes: Number of classes of the classifier. None: the space's.
        """

    @abstractmethod
    def initialiser(self) -> Initialiser:
        """Return the function that initialises the weights of a network."""

    @abstractmethod
    def _graphs(self, codes: Codes) -> Batch:
        """Build the graphs of checked codes [n, choices]."""

    def blocks(self, architecture: Architecture) -> list[Block]:
        """Return the blocks that `network(architecture)` executes, in order."""
        return self.plan(self.encode([architecture])[0]).blocks

    def graph(self, architecture: Architecture) -> Data:
        """Return the architecture as a graph for predictors; see `spaces.graphs.graph`."""
        return self.graphs([architecture]).get_example(0)

    def graphs(self, architectures: Architectures) -> Batch:
        """Return the graphs of many architectures, built at once."""
        return self._graphs(self.codes(architectures))

    def network(
        self,
        architecture: Architecture,
        num_classes: int | None = None,
        generator: torch.Generator | None = None,
    ) -> torch.nn.Module:
        """Build the standalone network, initialised from `generator` (None: seed 0)."""
        from spaces.modules.cells import CellNetwork
        from spaces.modules.network import materialise

        # Encoding checks the architecture and brings it into canonical form.
        plan = self.plan(self.encode([architecture])[0], num_classes)
        return materialise(lambda: CellNetwork(plan), self.initialiser(), generator)

    def supernet(
        self, num_classes: int | None = None, generator: torch.Generator | None = None
    ) -> Supernet:
        """Build the network with the weights of every candidate; arguments as of `network`."""
        from spaces.modules.network import materialise

        make = self._supernet_class()
        return materialise(lambda: make(self, num_classes), self.initialiser(), generator)

    def _supernet_class(self) -> type[CellSupernet]:
        """Return the class of the supernet, which is imported here because it needs torch."""
        from spaces.modules.cells import CellSupernet

        return CellSupernet

    def search_model(self, supernet: Supernet) -> torch.nn.Module | None:
        """Return a model with LayerChoices; None, as by default, if the cells have no such form."""
        return None

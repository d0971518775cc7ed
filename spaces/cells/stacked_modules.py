"""StackedModules: spaces whose networks are stacks of one module, as in NAS-Bench-101."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.architecture import Architecture
from spaces.block import Block
from spaces.cells.nasbench101 import INNER, OPERATIONS, VERTICES, Cells
from spaces.cells.nasbench101_network import Skeleton
from spaces.cells.plan import Plan
from spaces.cells.space import CellSpace
from spaces.choice import Choice
from spaces.space import Codes

if TYPE_CHECKING:
    from torch_geometric.data import Batch

    from spaces.drawing.sketch import Sketch
    from spaces.modules.cells import CellSupernet
    from spaces.modules.network import Initialiser

OUTPUT = "output"
"""The label of a module's output in graphs."""


class StackedModules(CellSpace):
    """Stacks of equal modules; between stacks the image is halved and the channels double.

    A subclass says by `module_codes` which module of NAS-Bench-101 an architecture has. In the
    supernet an operation of a vertex has the weights of its largest width, of which narrower
    modules use the first channels.

    Args:
        name: Canonical name.
        choices: Open decisions, in the order of the columns of the codes.
        input_size: Side of an image in pixels.
        stem_channels: Number of channels of the first stack.
        stacks: Number of stacks.
        modules: Number of modules per stack.
        num_classes: Number of classes that costs are counted with.
    """

    irregular = True
    searches_wiring = True
    widths_follow_wiring = True

    vertices = INNER
    """Number of inner vertices that a module may have."""

    def __init__(
        self,
        name: str,
        choices: Sequence[Choice],
        input_size: int,
        stem_channels: int,
        stacks: int,
        modules: int,
        num_classes: int,
    ):
        super().__init__(name, choices, (3, input_size, input_size), num_classes)
        self._skeleton = Skeleton(self.input_shape, stem_channels, stacks, modules)

    @abstractmethod
    def module_codes(self, codes: Codes) -> Codes:
        """Return the modules of architectures, which need not be in canonical form.

        Args:
            codes: Codes [n, choices].

        Returns:
            Codes of `nasbench101` [n, 26].
        """

    def isomorphism_keys(self, codes: Codes) -> NDArray[Any]:
        """Return NAS-Bench-101's graph hash of each module, bytes array [n, 1]."""
        from spaces.cells.graph_hash import graph_hashes

        return np.array(graph_hashes(self.module_codes(codes)), dtype="S32")[:, None]

    # Blocks

    def plan(self, codes: NDArray[Any], num_classes: int | None = None) -> Plan:
        """Return the wiring of the network of `codes` [choices]."""
        return self._skeleton.plan(
            self.module_codes(codes[None])[0], num_classes or self.num_classes
        )

    def places(self, num_classes: int | None = None) -> Mapping[str, Block]:
        """Return the widest block of every module of the supernet by name."""
        return self._skeleton.places(num_classes or self.num_classes, self.vertices)

    @cached_property
    def all_blocks(self) -> dict[str, Block]:
        """Key -> block for every block that occurs in the space."""
        return self._skeleton.all_blocks(self.num_classes)

    def block_counts(self, codes: Codes) -> tuple[list[str], NDArray[np.int32]]:
        """Return all block keys of the space and how often each occurs, int array [n, keys]."""
        keys = list(self.all_blocks)
        return keys, self._skeleton.counts(self.module_codes(codes), keys, self.num_classes)

    # Networks and graphs

    def initialiser(self) -> Initialiser:
        """Return the initialisation of the release."""
        from spaces.modules.initialisers import tensorflow_initialiser

        return tensorflow_initialiser

    def _supernet_class(self) -> type[CellSupernet]:
        from spaces.modules.elastic import ElasticCellSupernet

        return ElasticCellSupernet

    def sketch(self, architecture: Architecture) -> Sketch:
        """Return the content of the architecture's picture: its module."""
        from spaces.drawing.cells import nasbench101_sketch

        module = self.module_codes(self.encode([architecture]))[0]
        return nasbench101_sketch(self.name, module, self._skeleton.channels)

    @property
    def operations(self) -> list[str]:
        """Names of the operations of a vertex, and the cell's output."""
        return [*OPERATIONS, OUTPUT]

    @property
    def positions(self) -> int:
        """Number of inner vertices, plus one for the output."""
        return VERTICES - 1

    def _graphs(self, codes: Codes) -> Batch:
        from spaces.graphs.graph import dense_graphs

        cells = Cells.from_codes(self.module_codes(codes))
        operation = np.zeros((len(codes), VERTICES), dtype=np.int64)
        # Vertices on no path from input to output are absent.
        operation[:, 1:-1] = np.where(
            cells.live[:, 1:-1], cells.operations.astype(np.int64) + 1, -1
        )
        operation[:, -1] = len(self.operations)

        return dense_graphs(operation, np.arange(VERTICES), cells.adjacency)

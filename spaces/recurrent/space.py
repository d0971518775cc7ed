"""RecurrentSpace: cells of nodes that each read one earlier state."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.architecture import Architecture
from spaces.block import Block
from spaces.choice import Choice, Combination
from spaces.registry import get
from spaces.space import Architectures, Codes, SearchSpace

if TYPE_CHECKING:
    import torch
    from torch_geometric.data import Batch, Data

    from spaces.drawing.sketch import Sketch
    from spaces.modules.recurrent import Sizes
    from spaces.modules.supernet import Supernet

ACTIVATIONS = ("tanh", "relu", "sigmoid", "identity")
"""The candidates of a node's activation."""

OUTPUT = "output"
"""The label of a cell's output in graphs."""


class RecurrentSpace(SearchSpace):
    """Recurrent language models with one cell; each node reads one earlier state.

    Nodes are numbered from 1; state 0 is the cell's first one, made of the token and the state
    before. An input is a window of `length` tokens, int64 [b, length]; networks return the scores
    of the next tokens and a state. MACs and latencies are those of a window.

    Args:
        name: Canonical name.
        length: Tokens of a window.
        vocabulary: Number of different tokens.
        width: Features of the vectors of tokens and of the states.
        nodes: Nodes of the cell.
        ends_only: Whether the output is the mean of the nodes that no other node reads, as in ENAS,
            rather than of all nodes, as in DARTS.
        dropouts: Dropout of tokens, inputs, hidden states and outputs.
    """

    head = "tokens"
    repeats_cells = True
    searches_wiring = True
    repeats_blocks = True

    def __init__(
        self,
        name: str,
        length: int,
        vocabulary: int,
        width: int,
        nodes: int,
        ends_only: bool,
        dropouts: Sequence[float],
    ):
        choices: list[Choice] = []
        for node in range(1, nodes + 1):
            # The first node has no choice of its input.
            if node > 1:
                sources = [str(source) for source in range(node)]
                choices.append(Combination.from_inputs(f"node_{node}_input", sources, 1))
            choices.append(Choice(f"node_{node}_activation", ACTIVATIONS))

        shape: Any = (length,)
        super().__init__(name, choices, shape, vocabulary)
        self.length = length
        self.width = width
        self.nodes = nodes
        self.ends_only = ends_only
        self.dropouts = tuple(dropouts)

    @property
    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name of the tensor that networks take -> shape without the dimension of the batch."""
        return {"tokens": (self.length,)}

    def for_vocabulary(self, size: int) -> SearchSpace:
        """Return the space whose networks read and predict `size` tokens."""
        return get(self.name, vocabulary=size)

    def random_input(
        self, architecture: Architecture, batch: int, generator: torch.Generator
    ) -> Any:
        """Return random tokens, int64 [batch, length]."""
        import torch

        return torch.randint(self.num_classes, (batch, self.length), generator=generator)

    def sizes(self, vocabulary: int | None = None) -> Sizes:
        """Return the sizes of the networks.

        Args:
            vocabulary: Number of different tokens. None: the space's.
        """
        from spaces.modules.recurrent import Sizes

        return Sizes(
            vocabulary or self.num_classes,
            self.width,
            self.nodes,
            self.ends_only,
            *self.dropouts,
        )

    @property
    def search_space(self) -> SearchSpace:
        """Space of the release's search network, for cells whose output is the mean of all nodes.

        The mixture has no loose ends.
        """
        if self.family != "rnn" or self.ends_only:
            return self
        return get(
            "rnn-search",
            vocabulary=self.num_classes,
            length=self.length,
            width=self.width,
            nodes=self.nodes,
            networks=self.name,
        )

    # Cells

    @cached_property
    def _columns(self) -> tuple[list[int], list[int]]:
        """Columns of the inputs of all nodes but the first, and of all activations."""
        is_input = [choice.key.endswith("_input") for choice in self.choices]
        columns = range(len(self.choices))
        return (
            [column for column in columns if is_input[column]],
            [column for column in columns if not is_input[column]],
        )

    def sources(self, codes: Codes) -> NDArray[np.int64]:
        """Return the state that each node reads, int64 [n, nodes]."""
        inputs, _ = self._columns
        first = np.zeros((len(codes), 1), dtype=np.int64)
        return np.concatenate([first, codes[:, inputs].astype(np.int64)], axis=1)

    def activations(self, codes: Codes) -> NDArray[np.int64]:
        """Return the code of each node's activation, int64 [n, nodes]."""
        return codes[:, self._columns[1]].astype(np.int64)

    def outputs(self, codes: Codes) -> NDArray[np.bool_]:
        """Return whether each node is part of the output, bool [n, nodes]."""
        outputs = np.ones((len(codes), self.nodes), dtype=bool)
        if self.ends_only:
            sources = self.sources(codes)
            for node in range(1, self.nodes + 1):
                outputs[:, node - 1] = (sources != node).all(1)
        return outputs

    # Blocks

    @cached_property
    def all_blocks(self) -> dict[str, Block]:
        """Key -> block for every block that occurs in the space."""
        states = (self.length, self.width)
        blocks = [
            Block("token_vectors", (self.length,), states),
            Block("recurrent_input", states, states),
            *(Block("recurrent_node", states, states, activation=name) for name in ACTIVATIONS),
            Block("tied_scores", states, (self.length, self.num_classes)),
        ]
        return {block.key: block for block in blocks}

    def blocks(self, architecture: Architecture) -> list[Block]:
        """Return the blocks that `network(architecture)` executes at each token, in order."""
        vectors, first, *nodes, scores = self.all_blocks.values()
        activations = self.activations(self.encode([architecture]))[0]
        return [vectors, first, *(nodes[code] for code in activations.tolist()), scores]

    def block_counts(self, codes: Codes) -> tuple[list[str], NDArray[np.int32]]:
        """Return all block keys of the space and how often each occurs, int array [n, keys]."""
        counts = np.ones((len(codes), len(self.all_blocks)), dtype=np.int32)
        activations = self.activations(codes)
        for code in range(len(ACTIVATIONS)):
            # After the vectors and the first state.
            counts[:, 2 + code] = (activations == code).sum(1)
        return list(self.all_blocks), counts

    # Networks

    def network(
        self,
        architecture: Architecture,
        num_classes: int | None = None,
        generator: torch.Generator | None = None,
    ) -> torch.nn.Module:
        """Build the standalone network, initialised from `generator` (None: seed 0).

        Args:
            architecture: Architecture of this space.
            num_classes: Number of different tokens. None: the space's.
            generator: Source of the initial weights. None: a new one with seed 0.
        """
        from spaces.modules.network import materialise
        from spaces.modules.recurrent import RecurrentNetwork, initialise_recurrent

        codes = self.encode([architecture])
        sources = self.sources(codes)[0].tolist()
        names = [ACTIVATIONS[code] for code in self.activations(codes)[0].tolist()]
        sizes = self.sizes(num_classes)
        return materialise(
            lambda: RecurrentNetwork(sizes, sources, names), initialise_recurrent, generator
        )

    def supernet(
        self, num_classes: int | None = None, generator: torch.Generator | None = None
    ) -> Supernet:
        """Build the network with a matrix for each node; arguments as of `network`."""
        from spaces.modules.network import materialise
        from spaces.modules.recurrent import RecurrentSupernet, initialise_recurrent

        sizes = self.sizes(num_classes)
        return materialise(lambda: RecurrentSupernet(self, sizes), initialise_recurrent, generator)

    # Graphs and pictures

    @property
    def operations(self) -> list[str]:
        """Names of the activations, and the cell's output."""
        return [*ACTIVATIONS, OUTPUT]

    @property
    def positions(self) -> int:
        """Number of nodes, plus one for the output."""
        return self.nodes + 1

    def graph(self, architecture: Architecture) -> Data:
        """Return the architecture as a graph for predictors; see `spaces.graphs.graph`."""
        return self.graphs([architecture]).get_example(0)

    def graphs(self, architectures: Architectures) -> Batch:
        """Return the graphs of many cells: the first state, the nodes and the output."""
        from spaces.graphs.graph import dense_graphs

        codes = self.codes(architectures)
        count = self.nodes + 2
        operation = np.zeros((len(codes), count), dtype=np.int64)
        operation[:, 1:-1] = self.activations(codes) + 1
        operation[:, -1] = len(self.operations)

        adjacency = np.zeros((len(codes), count, count), dtype=bool)
        rows = np.arange(len(codes))
        sources = self.sources(codes)
        for node in range(1, self.nodes + 1):
            adjacency[rows, sources[:, node - 1], node] = True
        adjacency[:, 1:-1, -1] = self.outputs(codes)
        return dense_graphs(operation, np.arange(count), adjacency)

    def sketch(self, architecture: Architecture) -> Sketch:
        """Return the content of the architecture's picture: its cell."""
        from spaces.drawing.sketch import Box, Sketch

        codes = self.encode([architecture])
        boxes = [Box("token and state", (f"{self.width} features",))]
        arrows = []
        pairs = zip(self.sources(codes)[0], self.activations(codes)[0], strict=True)
        for node, (source, code) in enumerate(pairs, 1):
            name = ACTIVATIONS[code]
            boxes.append(Box(name, (f"node {node}",), kind=name))
            arrows.append((int(source), node))

        boxes.append(Box("output", ("mean",)))
        arrows += [(int(node) + 1, len(boxes) - 1) for node in np.flatnonzero(self.outputs(codes))]
        return Sketch(self.name, tuple(boxes), tuple(arrows))

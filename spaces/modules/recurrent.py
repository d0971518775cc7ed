"""Recurrent language models: the network of a cell, and the supernet of all cells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spaces.modules.choices import LayerChoice
from spaces.modules.input_choice import InputChoice
from spaces.modules.recurrent_parts import (
    ACTIVATIONS,
    InitialState,
    RecurrentNode,
    TiedScores,
    TokenVectors,
    VariationalDropout,
    activation,
    dropout_mask,
)
from spaces.modules.supernet import Supernet

if TYPE_CHECKING:
    from spaces.recurrent.space import RecurrentSpace

_BOUND = 0.04
"""Bound of the uniform initial matrices of a cell (quark0/darts, rnn/model.py)."""

_VECTORS_BOUND = 0.1
"""Bound of the uniform initial vectors of tokens (likewise)."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of a recurrent language model, and its dropout.

    Args:
        vocabulary: Number of different tokens.
        width: Features of the vectors of tokens and of the states.
        nodes: Nodes of the cell.
        ends_only: Whether the cell's output is the mean of the nodes that no other node reads,
            rather than of all nodes.
        dropout_tokens: Probability that all occurrences of a token in a window are dropped.
        dropout_inputs: Probability of dropped features of the vectors, one mask a window.
        dropout_hidden: Probability of dropped features of the states, one mask a window.
        dropout_outputs: Probability of dropped features of the outputs, one mask a window.
    """

    vocabulary: int
    width: int
    nodes: int
    ends_only: bool = False
    dropout_tokens: float = 0.0
    dropout_inputs: float = 0.0
    dropout_hidden: float = 0.0
    dropout_outputs: float = 0.0


class RecurrentModel(nn.Module, ABC):
    """Vectors of tokens, a recurrent cell and scores by the same vectors.

    `hidden_tap` passes the cell's outputs [b, length, width], so that a task may record them.
    """

    def _add_parts(self, sizes: Sizes, activations: Sequence[nn.Module]) -> None:
        """Add the modules of the parts, once the module itself is initialised.

        Args:
            sizes: Sizes and dropout.
            activations: Activation of each node.
        """
        self.sizes = sizes
        self.vectors = TokenVectors(sizes.vocabulary, sizes.width, sizes.dropout_tokens)
        self.input_dropout = VariationalDropout(sizes.dropout_inputs)
        self.initial = InitialState(sizes.width)
        self.nodes = nn.ModuleList(RecurrentNode(sizes.width, item) for item in activations)
        self.hidden_tap = nn.Identity()
        self.output_dropout = VariationalDropout(sizes.dropout_outputs)
        self.scores = TiedScores(sizes.vocabulary)

    def forward(self, tokens: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the scores of each next token, and the state after the last token.

        Args:
            tokens: Indices of tokens, int64 [b, length].
            state: State after the tokens before [b, width]; None: there are none.

        Returns:
            Scores [b, length, vocabulary] and the state [b, width].
        """
        vectors = self.input_dropout(self.vectors(tokens))
        if state is None:
            # By the shape of a tensor, so that an exported batch size stays dynamic.
            state = torch.zeros_like(vectors[:, 0])

        mask: Tensor | None = None
        if self.training and self.sizes.dropout_hidden:
            mask = dropout_mask(state, self.sizes.dropout_hidden)

        outputs = []
        for vector in vectors.unbind(1):
            state = self.cell(self.initial(vector, state, mask), mask)
            outputs.append(state)

        hidden = self.hidden_tap(torch.stack(outputs, 1))
        scores = self.scores(self.output_dropout(hidden), self.vectors.weight)
        assert state is not None
        return scores, state

    @abstractmethod
    def cell(self, state: Tensor, mask: Tensor | None) -> Tensor:
        """Return a cell's output [b, width] from its first state.

        Args:
            state: First state [b, width].
            mask: Dropout mask of the states that matrices read; None: no dropout.
        """

    @property
    def blocks(self) -> list[nn.Module]:
        """Modules that compute the space's blocks, in their order."""
        return [self.vectors, self.initial, *self.nodes, self.scores]


class RecurrentNetwork(RecurrentModel):
    """The network of one cell.

    Args:
        sizes: Sizes and dropout.
        sources: For each node the state that it reads: 0 is the first state, i the i-th node's.
        names: Name of each node's activation.

    Example:
        >>> import torch
        >>> import spaces
        >>> space = spaces.get("rnn(vocabulary=9, width=4, nodes=2)")
        >>> network = space.network(space.architecture([0, 0, 1]))
        >>> scores, state = network(torch.zeros(2, 5, dtype=torch.int64))
        >>> scores.shape, state.shape
        (torch.Size([2, 5, 9]), torch.Size([2, 4]))
    """

    def __init__(self, sizes: Sizes, sources: Sequence[int], names: Sequence[str]):
        super().__init__()
        self._add_parts(sizes, [activation(name) for name in names])
        self.sources = tuple(sources)
        read = set(self.sources) if sizes.ends_only else set()
        self.outputs = tuple(node for node in range(1, sizes.nodes + 1) if node not in read)

    def cell(self, state: Tensor, mask: Tensor | None) -> Tensor:
        """Return the mean of the nodes that form the output."""
        states = [state]
        for node, source in zip(self.nodes, self.sources, strict=True):
            states.append(node(states[source], mask))
        return mean([states[index] for index in self.outputs])


class RecurrentSupernet(RecurrentModel, Supernet):
    """The supernet: each node's matrix is shared by its inputs and activations.

    A mixture of inputs mixes the states that a node reads, and a mixture of activations their
    results.

    Args:
        space: Space whose cells it runs.
        sizes: Sizes and dropout.
    """

    def __init__(self, space: RecurrentSpace, sizes: Sizes):
        choices = {choice.key: choice for choice in space.choices}
        activations: list[nn.Module] = [
            LayerChoice(
                {name: activation(name) for name in ACTIVATIONS}, key=f"node_{number}_activation"
            )
            for number in range(1, sizes.nodes + 1)
        ]
        Supernet.__init__(self, space)
        self._add_parts(sizes, activations)

        # The first node reads the first state.
        self.inputs = nn.ModuleList(
            InputChoice(
                choose_from=choices[f"node_{number}_input"].candidates,
                n_chosen=1,
                return_mask=True,
                key=f"node_{number}_input",
            )
            for number in range(2, sizes.nodes + 1)
        )

    def cell(self, state: Tensor, mask: Tensor | None) -> Tensor:
        """Return the mean of the nodes that form the output."""
        first = self.normalised(state)
        states = [first, self.normalised(self.nodes[0](first, mask))]
        read = []
        for choice, node in zip(self.inputs, list(self.nodes)[1:], strict=True):
            source, weights = choice(states)
            read.append(weights)
            states.append(self.normalised(node(source, mask)))

        outputs = states[1:]
        if not self.sizes.ends_only:
            return mean(outputs)

        # The probability that no later node reads it; 0 or 1 where inputs are decided.
        unread = [self._unread(number, read).to(state) for number in range(1, len(states))]
        total = sum(unread[1:], unread[0])
        weighted = [weight * output for weight, output in zip(unread, outputs, strict=True)]
        result: Tensor = sum(weighted[1:], weighted[0]) / total
        return result

    def normalised(self, state: Tensor) -> Tensor:
        """Return a state [b, width] as later nodes read it; here it stays as it is."""
        return state

    def _unread(self, number: int, read: Sequence[Tensor]) -> Tensor:
        """Return the probability that no node reads node `number`."""
        # The i-th mask is that of node i + 2, which may read the nodes before it.
        later = read[max(0, number - 1) :]
        probability = torch.ones((), device=read[0].device if read else None)
        for weights in later:
            probability = probability * (1 - weights[number].to(probability))
        return probability

    def _activate(self, codes: NDArray[np.signedinteger[Any]]) -> None:
        by_key = dict(zip((choice.key for choice in self.space.choices), codes, strict=True))
        for module in self.modules():
            if isinstance(module, LayerChoice | InputChoice):
                module.activate(int(by_key[module.key]))

    def path(self) -> list[nn.Module]:
        """Return the modules that every architecture executes, in order."""
        return self.blocks


def mean(states: Sequence[Tensor]) -> Tensor:
    """Return the mean of states of one shape."""
    return torch.stack(list(states)).mean(0)


def initialise_recurrent(module: nn.Module, generator: torch.Generator) -> None:
    """Initialise as the release does: matrices within +-0.04, vectors within +-0.1, biases 0."""
    for submodule in module.modules():
        if isinstance(submodule, nn.Linear):
            nn.init.uniform_(submodule.weight, -_BOUND, _BOUND, generator=generator)
        elif isinstance(submodule, TokenVectors):
            nn.init.uniform_(submodule.weight, -_VECTORS_BOUND, _VECTORS_BOUND, generator=generator)
        elif isinstance(submodule, TiedScores):
            nn.init.zeros_(submodule.bias)

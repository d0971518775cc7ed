"""Parts of recurrent language models, each of which computes a block."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from spaces.block import Block
from spaces.errors import UnknownName

ACTIVATIONS: Mapping[str, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "identity": nn.Identity,
}
"""Name of a node's activation -> class of the module."""


class TokenVectors(nn.Module):
    """The learned vector of each token.

    Args:
        vocabulary: Number of different tokens.
        width: Number of features.
        dropout: Probability in training that a token has the vector 0 in the whole window (Gal and
            Ghahramani, arXiv 1512.05287).
    """

    def __init__(self, vocabulary: int, width: int, dropout: float = 0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(vocabulary, width))
        self.dropout = dropout

    def forward(self, tokens: Tensor) -> Tensor:
        """Return vectors [b, length, width] of tokens, int64 [b, length]."""
        weight: Tensor = self.weight
        if self.training and self.dropout:
            weight = weight * dropout_mask(weight[:, :1], self.dropout)
        return nn.functional.embedding(tokens, weight)


class InitialState(nn.Module):
    """A cell's first state: the state before, gated with a new one from the token.

    With [c, g] = W [x, h], it is h + sigmoid(c) (tanh(g) - h).

    Args:
        width: Number of features of the vectors x and the states h.
    """

    def __init__(self, width: int):
        super().__init__()
        self.linear = nn.Linear(2 * width, 2 * width, bias=False)

    def forward(self, x: Tensor, state: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the first state [b, width].

        Args:
            x: Vectors of the tokens [b, width].
            state: States before [b, width].
            mask: Dropout mask of the states that the matrix reads [b, width]; None: no dropout.
        """
        read = state if mask is None else state * mask
        gate, update = self.linear(torch.cat([x, read], 1)).chunk(2, 1)
        result: Tensor = state + gate.sigmoid() * (update.tanh() - state)
        return result


class RecurrentNode(nn.Module):
    """A node of a cell: one earlier state, gated with a function of it.

    With [c, g] = W s, it is s + sigmoid(c) (f(g) - s), a highway (Zilly et al., arXiv 1607.03474).

    Args:
        width: Number of features of a state s.
        activation: Activation f.
    """

    def __init__(self, width: int, activation: nn.Module):
        super().__init__()
        self.linear = nn.Linear(width, 2 * width, bias=False)
        self.activation = activation

    def forward(self, state: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the node's state [b, width].

        Args:
            state: Earlier state [b, width].
            mask: Dropout mask of the state that the matrix reads [b, width]; None: no dropout.
        """
        gate, update = self.linear(state if mask is None else state * mask).chunk(2, 1)
        result: Tensor = state + gate.sigmoid() * (self.activation(update) - state)
        return result


class TiedScores(nn.Module):
    """A score of every token, by the vectors of the embedding and a bias.

    Args:
        vocabulary: Number of different tokens.
    """

    def __init__(self, vocabulary: int):
        super().__init__()
        self.bias = nn.Parameter(torch.empty(vocabulary))

    def forward(self, hidden: Tensor, vectors: Tensor) -> Tensor:
        """Return scores [b, length, vocabulary].

        Args:
            hidden: Hidden states [b, length, width].
            vectors: Vectors of the tokens [vocabulary, width].
        """
        return nn.functional.linear(hidden, vectors, self.bias)


class VariationalDropout(nn.Module):
    """Dropout with one mask for all tokens of a window (Gal and Ghahramani, arXiv 1512.05287).

    Args:
        probability: Probability that a feature is dropped in training.
    """

    def __init__(self, probability: float):
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """Drop features of x [b, length, width]."""
        if not self.training or not self.probability:
            return x
        return x * dropout_mask(x[:, :1], self.probability)


def dropout_mask(like: Tensor, probability: float) -> Tensor:
    """Return a mask of the shape of a tensor: 0, or 1 / (1 - probability)."""
    kept = 1 - probability
    return torch.empty_like(like).bernoulli_(kept) / kept


def activation(name: str) -> nn.Module:
    """Return the activation of a name; raises UnknownName."""
    if name not in ACTIVATIONS:
        raise UnknownName("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]()


class _Alone(nn.Module):
    """A part that is run on one window outside its network, as a profiler runs it.

    Args:
        block: Block of the part.
    """

    def __init__(self, block: Block):
        super().__init__()
        self.operator = block.operator
        width = block.output[1] if block.operator == "token_vectors" else block.input[1]
        match block.operator:
            case "token_vectors":
                # One vector: which of them is read costs the same.
                self.part: nn.Module = TokenVectors(1, width)
            case "recurrent_input":
                self.part = InitialState(width)
            case "tied_scores":
                self.part = nn.Linear(width, block.output[1])
            case _:
                self.part = RecurrentNode(width, activation(block.activation or ""))

    def forward(self, x: Tensor) -> Tensor:
        """Return the states [b, length, width] of a window, or the scores or vectors."""
        if self.operator == "token_vectors":
            return self.part(x.long() * 0)  # type: ignore[no-any-return]
        if self.operator == "tied_scores":
            return self.part(x)  # type: ignore[no-any-return]

        outputs = []
        state = torch.zeros_like(x[:, 0])
        for token in x.unbind(1):
            inputs = (token, state) if self.operator == "recurrent_input" else (token,)
            state = self.part(*inputs)
            outputs.append(state)
        return torch.stack(outputs, 1)


def recurrent_part(block: Block) -> nn.Module:
    """Return a module that runs a block of a recurrent network alone on a window."""
    return _Alone(block)

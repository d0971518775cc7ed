"""The interface of encoders: networks that score architectures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from predictor.encoders.dense_graphs import DenseGraphs
from predictor.encoders.positions import informative_positions
from predictor.features.values import label_values
from spaces.space import Codes, SearchSpace


class Encoder(nn.Module, ABC):
    """A network that scores the architectures of a space; greater is better.

    A subclass converts codes by `inputs` to the argument of its `forward`.
    `predictor.GraphPredictor` trains an ensemble of any encoder.

    Example:
        >>> import numpy as np
        >>> import predictor
        >>> import spaces
        >>> import torch
        >>> class Linear(predictor.Encoder):
        ...     name = "linear"
        ...     def __init__(self, num_features):
        ...         super().__init__()
        ...         self.head = torch.nn.Linear(num_features, 1)
        ...     @classmethod
        ...     def from_space(cls, space, **config):
        ...         return cls(sum(len(choice.candidates) for choice in space.choices))
        ...     @classmethod
        ...     def inputs(cls, space, codes):
        ...         return torch.from_numpy(space.one_hot(codes)).float()
        ...     def forward(self, inputs):
        ...         return self.head(inputs).squeeze(-1)
        >>> space = spaces.get("spos-tiny")
        >>> codes = space.sample(np.random.default_rng(0), 5)
        >>> Linear.from_space(space)(Linear.inputs(space, codes)).shape
        torch.Size([5])
    """

    name: ClassVar[str]
    """Name in the registry."""

    stackable: ClassVar[bool] = True
    """Whether `torch.vmap` can run all members of an ensemble at once.

    False for layers that torch has no batching rule for.
    """

    auxiliary: ClassVar[str] = ""
    """The argument of `from_space` for the number of further features of an operation.

    Empty: the encoder takes no further features.
    """

    expert_argument: ClassVar[str] = ""
    """The argument of `from_space` for the number of experts, each of which first learns a column.

    Empty: the encoder has no experts. `forward` of one that has returns their scores, [n, experts],
    with `every_step=True`.
    """

    pretraining: ClassVar[int] = 0
    """Number of random architectures of which an ensemble learns something before the values."""

    anytime: bool = False
    """Whether training compares the scores of every step.

    `forward` then returns them, [n, steps], with `every_step=True`.
    """

    version: ClassVar[int] = 1
    """Version of what the encoder computes, which files of predictors record."""

    embeds_values: ClassVar[bool] = False
    """Whether the constructor takes `values`, the numbers of a space's ValueChoices."""

    @classmethod
    def earlier_config(cls, version: int, space: SearchSpace) -> dict[str, Any]:
        """Return the arguments of `from_space` that give the encoder of an earlier version.

        Weights of a file are loaded into it, so that they compute what they did when they were
        saved.

        Args:
            version: Version that the file records, at most `version` of the class.
            space: Space of the architectures.
        """
        return {}

    @classmethod
    @abstractmethod
    def from_space(cls, space: SearchSpace, **config: Any) -> Encoder:
        """Make an encoder for a space with random weights; the caller seeds torch's generator.

        Args:
            space: Space of the architectures.
            config: Arguments of the encoder that differ from its defaults.
        """

    def sizes(self) -> dict[str, Any]:
        """Return the arguments of `from_space` that give other spaces' encoders equal shapes."""
        return {}

    @classmethod
    @abstractmethod
    def inputs(cls, space: SearchSpace, codes: Codes) -> Any:
        """Convert architectures to the argument of `forward`.

        Args:
            space: Space of the architectures.
            codes: Their codes, checked, int array [n, choices].

        Returns:
            A tensor or nested tuples of tensors, all indexed by architecture first.
        """

    @abstractmethod
    def forward(self, inputs: Any) -> Tensor:
        """Return the scores [n] of `inputs`."""


class GraphEncoder(Encoder):
    """An encoder of `space.graphs`.

    Its constructor takes the number of operations and the number of informative positions, and
    `values` where the class declares `embeds_values`.
    """

    @classmethod
    def from_space(cls, space: SearchSpace, **config: Any) -> Self:
        """Make an encoder for a space with random weights; see `Encoder.from_space`."""
        defaults = {"positions": informative_positions(space), **operation_values(cls, space)}
        return cls(len(space.operations), **{**defaults, **config})

    @classmethod
    def inputs(cls, space: SearchSpace, codes: Codes) -> Any:
        """Return the graphs of architectures with the codes `codes`, int array [n, choices]."""
        return DenseGraphs.from_batch(space.graphs(codes))


def operation_values(encoder: type[Encoder], space: SearchSpace) -> dict[str, Any]:
    """Return the argument `values` of an encoder whose labels are those of a space's graphs.

    Args:
        encoder: Class of the encoder; one that does not embed values takes no such argument.
        space: Space of the architectures.
    """
    if not encoder.embeds_values:
        return {}
    # Label 0 is the input's.
    return {"values": label_values(space, space.operations, first=1)}

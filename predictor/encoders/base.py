"""The protocol of encoders: networks that score architectures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from predictor.encoders.dense_graphs import DenseGraphs
from predictor.encoders.positions import telling_positions
from spaces.space import Codes, SearchSpace


class Encoder(nn.Module, ABC):
    """A network that scores the architectures of a space; greater is better.

    A subclass says with `inputs` what it makes of codes and takes it in `forward`. An ensemble of
    any of them is trained by `predictor.ensemble.predictor.GraphPredictor`.
    """

    name: ClassVar[str]
    """By which the registry knows it."""

    stackable: ClassVar[bool] = True
    """Whether `torch.vmap` runs an ensemble's members at once; false for what torch has no rule of
    its own for.
    """

    auxiliary: ClassVar[str] = ""
    """The argument of `of` that says how many further features an operation has; empty: the encoder
    takes none.
    """

    anytime: bool = False
    """Whether training compares the scores of every step, [n, steps], which `forward` gives with
    `every_step=True`.
    """

    @classmethod
    @abstractmethod
    def of(cls, space: SearchSpace, **config: Any) -> Encoder:
        """An encoder for a space with fresh weights; torch's generator is seeded by the caller.

        Args:
            space: whose architectures.
            config: arguments of the encoder that differ from its defaults.
        """

    def sizes(self) -> dict[str, Any]:
        """Arguments of `of` by which encoders of other spaces have weights of the shapes of this
        one's.
        """
        return {}

    @classmethod
    @abstractmethod
    def inputs(cls, space: SearchSpace, codes: Codes) -> Any:
        """What `forward` takes for `codes`, checked, int array [n, choices].

        A tensor or nested tuples of tensors, all of which are indexed by architecture first.
        """

    @abstractmethod
    def forward(self, inputs: Any) -> Tensor:
        """Scores [n] of `inputs`."""


class GraphEncoder(Encoder):
    """An encoder of `space.graphs`; made of the number of operations, and of `positions` where
    these tell something.
    """

    @classmethod
    def of(cls, space: SearchSpace, **config: Any) -> Self:
        """An encoder for a space with fresh weights; `config` as the class takes it."""
        return cls(len(space.operations), **{"positions": telling_positions(space), **config})

    @classmethod
    def inputs(cls, space: SearchSpace, codes: Codes) -> Any:
        """The graphs of `codes`, int array [n, choices]."""
        return DenseGraphs.from_batch(space.graphs(codes))

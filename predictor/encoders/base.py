"""The protocol of encoders: networks that score architectures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor, nn

from spaces.space import Codes, SearchSpace


class Encoder(nn.Module, ABC):
    """A network that scores the architectures of a space; greater is better.

    A subclass says with `inputs` what it makes of codes and takes it in `forward`. An ensemble of any of them is
    trained by `predictor.graph_predictor.GraphPredictor`.
    """

    name: ClassVar[str]
    """By which the registry knows it."""

    @classmethod
    @abstractmethod
    def of(cls, space: SearchSpace, **config: Any) -> Encoder:
        """An encoder for a space with fresh weights; torch's generator is seeded by the caller.

        Args:
            space: whose architectures.
            config: arguments of the encoder that differ from its defaults.
        """

    @classmethod
    @abstractmethod
    def inputs(cls, space: SearchSpace, codes: Codes) -> Any:
        """What `forward` takes for `codes`, checked, int array [n, choices]: a torch_geometric Batch, or a tensor."""

    @abstractmethod
    def forward(self, inputs: Any) -> Tensor:
        """Scores [n] of `inputs`."""

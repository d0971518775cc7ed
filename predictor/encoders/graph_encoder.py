"""What encoders of graphs have in common."""

from __future__ import annotations

from typing import Any, Self

from predictor.encoders.base import Encoder
from predictor.encoders.dense_graphs import DenseGraphs
from predictor.encoders.positions import telling_positions
from spaces.space import Codes, SearchSpace


class GraphEncoder(Encoder):
    """An encoder of `space.graphs`; made of the number of operations, and of `positions` where these tell something."""

    @classmethod
    def of(cls, space: SearchSpace, **config: Any) -> Self:
        """An encoder for a space with fresh weights; `config` as the class takes it."""
        return cls(len(space.operations), **{"positions": telling_positions(space), **config})

    @classmethod
    def inputs(cls, space: SearchSpace, codes: Codes) -> Any:
        """The graphs of `codes`, int array [n, choices]."""
        return DenseGraphs.of(space.graphs(codes))

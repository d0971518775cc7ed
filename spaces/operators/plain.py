"""Operators of stems, heads and classifiers: consecutive layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from spaces.operators.base import Arrangement, register_operator
from spaces.operators.layers import (
    Activation,
    BatchNorm,
    Branch,
    Conv,
    Dropout,
    GlobalPool,
    Linear,
    Pool,
    Shape,
    normalised,
)

if TYPE_CHECKING:
    from spaces.block import Block


class ConvOperator:
    """Convolution, batch normalisation, and an activation where the block names one.

    Args:
        norm: Whether there is a batch normalisation.
    """

    arrangement: Arrangement = "chain"

    def __init__(self, norm: bool = True):
        self.norm = norm

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        conv = Conv(
            block.input[0], block.output[0], block.kernel or 1, block.stride or 1, block.groups or 1
        )
        if self.norm:
            return {"main": (normalised(conv, block.activation), block.input)}

        activation: Branch = (Activation(block.activation),) if block.activation else ()
        return {"main": ((conv, *activation), block.input)}


class ClassifierOperator:
    """Global average pool, dropout and a linear layer.

    Where the block names an activation, batch normalisation and the activation come first.

    Args:
        bias: Whether the linear layer has a bias.
        dropout: Probability of dropout; 0 leaves it out.
    """

    arrangement: Arrangement = "chain"

    def __init__(self, bias: bool, dropout: float = 0.0):
        self.bias = bias
        self.dropout = dropout

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        channels = block.input[0]
        preactivation: Branch = (
            (BatchNorm(channels), Activation(block.activation)) if block.activation else ()
        )

        # Absent at 0, so that the indices of layers in state dicts stay as they are.
        dropout: Branch = (Dropout(self.dropout),) if self.dropout else ()
        linear = Linear(channels, block.output[0], self.bias)
        layers = (*preactivation, GlobalPool(), *dropout, linear)

        return {"main": (layers, block.input)}


class PoolOperator:
    """A maximum or mean over windows.

    Args:
        kind: `max` or `avg`.
    """

    arrangement: Arrangement = "chain"

    def __init__(self, kind: Literal["max", "avg"]):
        self.kind: Literal["max", "avg"] = kind

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        return {"main": ((Pool(self.kind, block.kernel or 3, block.stride or 1),), block.input)}


class GlobalPoolOperator:
    """The mean over an image, as an image of one pixel."""

    arrangement: Arrangement = "chain"

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        return {"main": ((GlobalPool(keep=True),), block.input)}


register_operator("conv", ConvOperator())
register_operator("conv_act", ConvOperator(norm=False))
register_operator("classifier", ClassifierOperator(bias=False, dropout=0.1))
register_operator("linear", ClassifierOperator(bias=True))
register_operator("linear_dropout", ClassifierOperator(bias=True, dropout=0.2))
register_operator("avg_pool", PoolOperator("avg"))
register_operator("max_pool", PoolOperator("max"))
register_operator("global_pool", GlobalPoolOperator())

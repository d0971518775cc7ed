"""What each block operator consists of: named branches of primitive layers, without torch.

Counting (MACs, parameters) and building (`spaces.modules`) both read these descriptions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from spaces.errors import UnknownName
from spaces.layers import Activation, BatchNorm, Branch, Conv, Dropout, GlobalPool, Linear, Shape

if TYPE_CHECKING:
    from spaces.block import Block


class Operator(Protocol):
    """Describes the blocks of one operator."""

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        """Branch name -> its layers in order and the shape that enters it."""


_OPERATORS: dict[str, Operator] = {}


def register_operator(name: str, described: Operator) -> None:
    """Add an operator that blocks may name."""
    _OPERATORS[name] = described


def operator(name: str) -> Operator:
    """The operator of this name; raises UnknownName."""
    if name not in _OPERATORS:
        raise UnknownName("operator", name, sorted(_OPERATORS))
    return _OPERATORS[name]


class ConvOperator:
    """Convolution, batch normalisation, activation."""

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        kernel, stride, activation = block.kernel or 1, block.stride or 1, block.activation or "relu"
        channels = block.output[0]
        layers: Branch = (
            Conv(block.input[0], channels, kernel, stride),
            BatchNorm(channels),
            Activation(activation),
        )
        return {"main": (layers, block.input)}


class ClassifierOperator:
    """Global average pool, dropout 0.1, linear layer without bias (the head of the SPOS release)."""

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        layers: Branch = (GlobalPool(), Dropout(0.1), Linear(block.input[0], block.output[0], bias=False))
        return {"main": (layers, block.input)}


def _normalised(conv: Conv, activation: str | None = None) -> Branch:
    rest: Branch = (BatchNorm(conv.outputs),)
    return (conv, *rest) if activation is None else (conv, *rest, Activation(activation))


class ShuffleOperator:
    """ShuffleNetV2 block of SPOS (arXiv 1904.00420): with stride 1 half of the channels pass by."""

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        inputs, outputs, shape, stride = _shuffle_shape(block)
        kernel, hidden, relu = block.kernel or 3, block.hidden or 1, block.activation or "relu"
        main = (
            *_normalised(Conv(inputs, hidden, 1), relu),
            *_normalised(Conv(hidden, hidden, kernel, stride, groups=hidden)),
            *_normalised(Conv(hidden, outputs, 1), relu),
        )
        return _with_projection(main, shape, kernel, stride, relu)


class XceptionOperator:
    """SPOS's `choice_x`: three times a depthwise and a pointwise convolution."""

    def branches(self, block: Block) -> dict[str, tuple[Branch, Shape]]:
        inputs, outputs, shape, stride = _shuffle_shape(block)
        kernel, hidden, relu = block.kernel or 3, block.hidden or 1, block.activation or "relu"
        main = (
            *_normalised(Conv(inputs, inputs, kernel, stride, groups=inputs)),
            *_normalised(Conv(inputs, hidden, 1), relu),
            *_normalised(Conv(hidden, hidden, kernel, groups=hidden)),
            *_normalised(Conv(hidden, hidden, 1), relu),
            *_normalised(Conv(hidden, hidden, kernel, groups=hidden)),
            *_normalised(Conv(hidden, outputs, 1), relu),
        )
        return _with_projection(main, shape, kernel, stride, relu)


def _shuffle_shape(block: Block) -> tuple[int, int, Shape, int]:
    stride = block.stride or 1
    channels, height, width = block.input
    inputs = channels // 2 if stride == 1 else channels
    return inputs, block.output[0] - inputs, (inputs, height, width), stride


def _with_projection(
    main: Branch, shape: Shape, kernel: int, stride: int, activation: str
) -> dict[str, tuple[Branch, Shape]]:
    if stride == 1:
        return {"main": (main, shape)}
    channels = shape[0]
    projection = (
        *_normalised(Conv(channels, channels, kernel, stride, groups=channels)),
        *_normalised(Conv(channels, channels, 1), activation),
    )
    return {"main": (main, shape), "proj": (projection, shape)}


register_operator("conv", ConvOperator())
register_operator("classifier", ClassifierOperator())
register_operator("shuffle", ShuffleOperator())
register_operator("xception", XceptionOperator())

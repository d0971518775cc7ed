"""Blocks as ONNX, written directly from the blocks' descriptions.

An export by torch takes seconds per network, and a table needs hundreds. The operations are those
that torch's exporter writes (batch normalisation folded into the convolution before it, a shuffle
as reshape and gather), so that a runtime optimises both in the same way; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import nn

from profiler.backends.onnx_chain import Fragment
from spaces.block import Block
from spaces.errors import InvalidBlock
from spaces.modules.binary import BinaryConv2d
from spaces.modules.blocks import WeightedMean
from spaces.operators import operator
from spaces.operators.layers import (
    Activation,
    BatchNorm,
    BinaryConv,
    Branch,
    ChannelShuffle,
    Conv,
    Dropout,
    GlobalPool,
    Linear,
    Pool,
    Resize,
    Shape,
    SqueezeExcite,
    WeightedSum,
)

if TYPE_CHECKING:
    from spaces.operators.layers import Layer


def fragment(block: Block, module: nn.Module, name: str) -> Fragment:
    """Write a block as ONNX.

    Args:
        block: Description of the block.
        module: The block in torch, in evaluation mode, with the weights.
        name: Prefix of all names; `name.in` and `name.out` are its ends.
    """
    return _Writer(name, _weighted_layers(module)).block(block)


def _weighted_layers(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the layers with weights in the order in which a block's branches describe them."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear | nn.BatchNorm2d | WeightedMean):
            yield layer


class _Writer:
    """Writes one block.

    Args:
        name: Prefix of all names.
        layers: The layers with weights, in the order of the block's description.
    """

    def __init__(self, name: str, layers: Iterator[nn.Module]):
        self.name = name
        self.layers = layers
        self.fragment = Fragment()

    def block(self, block: Block) -> Fragment:
        """Write the block between `in` and `out`."""
        description = operator(block.operator)
        branches = description.branches(block)
        begin = f"{self.name}.in"
        match description.arrangement:
            case "chain":
                end = self.branch(*branches["main"], begin)
                if block.shortcut:
                    end = self.node("Add", [begin, end])
            case "sum":
                ends = [self.branch(*branches[name], begin) for name in ("main", "proj")]
                # The exporter's order of operands: the projection comes first.
                end = self.node("Add", ends[::-1])
            case "residual":
                # The main branch first: its weights come first.
                main = self.branch(*branches["main"], begin)
                shortcut = self.branch(*branches["proj"], begin) if "proj" in branches else begin
                end = self.node("Relu", [self.node("Add", [shortcut, main])])
            case "gate":
                ends = [self.branch(*branches[name], begin) for name in ("main", "gate")]
                end = self.node("Mul", ends)
            case "shuffle":
                end = self._shuffle(block, branches, begin)
            case "halves":
                end = self._halves(branches, begin)
            case "attention":
                raise InvalidBlock(f"{block}: blocks of text are exported with their whole network")

        self.fragment.nodes.append(
            helper.make_node("Identity", [end], [f"{self.name}.out"], name=f"{self.name}.exit")
        )

        return self.fragment

    def branch(self, layers: Branch, shape: Shape, source: str) -> str:
        """Write layers one after the other and return the name of their output."""
        index = 0
        while index < len(layers):
            layer = layers[index]
            following = layers[index + 1] if index + 1 < len(layers) else None
            if isinstance(layer, Conv):
                # Batch normalisation after a convolution is folded into its weights.
                normalised = isinstance(following, BatchNorm)
                source = self._convolution(layer, normalised, source)
                index += normalised
            else:
                source = self._layer(layer, shape, source)

            shape = layer.shape(shape)
            index += 1

        return source

    def _shuffle(self, block: Block, branches: dict[str, tuple[Branch, Shape]], begin: str) -> str:
        if "proj" in branches:
            # The main branch first: its module was registered first, so its weights are next.
            main = self.branch(*branches["main"], begin)
            return self.node("Concat", [self.branch(*branches["proj"], begin), main], axis=1)

        channels, height, width = block.input

        # Without stride, even channels pass and odd ones enter the main branch.
        view = self.reshape(begin, [0, channels // 2, 2, height, width])
        even, odd = (
            self.node("Gather", [view, self.constant(np.int64(half))], axis=2) for half in (0, 1)
        )
        return self.node("Concat", [even, self.branch(*branches["main"], odd)], axis=1)

    def _halves(self, branches: dict[str, tuple[Branch, Shape]], begin: str) -> str:
        x = self.branch(*branches["before"], begin)
        first = self.branch(*branches["first"], x)

        # The second half sees the image shifted by one pixel: x[:, :, 1:, 1:] by starts, ends and
        # axes.
        starts = np.array([1, 1], dtype=np.int64)
        ends = np.array([2**31 - 1] * 2, dtype=np.int64)
        axes = np.array([2, 3], dtype=np.int64)
        shifted = self.node("Slice", [x, *map(self.constant, (starts, ends, axes))])
        both = self.node("Concat", [first, self.branch(*branches["second"], shifted)], axis=1)
        return self.branch(*branches["behind"], both)

    def _layer(self, layer: Layer, shape: Shape, source: str) -> str:
        match layer:
            case Activation():
                return self._activation(layer.name, source)
            case BatchNorm():
                norm = next(self.layers)
                assert isinstance(norm, nn.BatchNorm2d)
                scale, shift = _folded(norm)
                scaled = self.node("Mul", [source, self.constant(scale.reshape(1, -1, 1, 1))])
                return self.node("Add", [scaled, self.constant(shift.reshape(1, -1, 1, 1))])
            case BinaryConv():
                return self._binary_convolution(layer, source)
            case Pool():
                kind = "AveragePool" if layer.kind == "avg" else "MaxPool"
                padding = layer.padding()
                sides: dict[str, Any] = {
                    "kernel_shape": [layer.kernel] * 2,
                    "strides": [layer.stride] * 2,
                }
                return self.node(kind, [source], pads=[padding] * 4, **sides)
            case SqueezeExcite():
                return self._squeeze(layer, source)
            case ChannelShuffle():
                channels, height, width = shape
                grouped = [0, layer.groups, channels // layer.groups, height, width]
                view = self.reshape(source, grouped)
                transposed = self.node("Transpose", [view], perm=[0, 2, 1, 3, 4])
                return self.reshape(transposed, [0, channels, height, width])
            case GlobalPool():
                mean = self.node(
                    "ReduceMean", [source, self.constant(np.array([2, 3]))], keepdims=1
                )
                return mean if layer.keep else self.reshape(mean, [0, shape[0]])
            case Resize():
                return self._resize(layer, source)
            case WeightedSum():
                return self._weighted_sum(shape, source)
            case Linear():
                linear = next(self.layers)
                assert isinstance(linear, nn.Linear)
                weights = [linear.weight, *([linear.bias] if linear.bias is not None else [])]
                constants = [self.constant(_array(weight)) for weight in weights]
                return self.node("Gemm", [source, *constants], transB=1)
            # Dropout does nothing in evaluation; `branch` writes convolutions.
            case Dropout() | Conv():
                return source
            case _:
                raise InvalidBlock(f"{layer}: layers of text are exported with their whole network")

    def _convolution(self, layer: Conv, normalised: bool, source: str) -> str:
        conv = next(self.layers)
        assert isinstance(conv, nn.Conv2d)
        weight = _array(conv.weight)
        bias = np.zeros(layer.outputs, dtype=np.float32)
        if conv.bias is not None:
            bias = _array(conv.bias)

        # Normalisation is folded into the convolution, as runtimes do when they load a model.
        if normalised:
            norm = next(self.layers)
            assert isinstance(norm, nn.BatchNorm2d)
            scale, shift = _folded(norm)
            weight = weight * scale.reshape(-1, 1, 1, 1)
            bias = bias * scale + shift

        inputs = [source, self.constant(weight), self.constant(bias)]
        padding = layer.dilation * (layer.kernel // 2)

        return self.node(
            "Conv",
            inputs,
            kernel_shape=[layer.kernel] * 2,
            strides=[layer.stride] * 2,
            pads=[padding] * 4,
            group=layer.groups,
            dilations=[layer.dilation] * 2,
        )

    def _binary_convolution(self, layer: BinaryConv, source: str) -> str:
        """Write a convolution of signs; as a runtime has no binary kernels, it is one in floats."""
        conv = next(self.layers)
        assert isinstance(conv, BinaryConv2d)
        positive = self.node("GreaterOrEqual", [source, self.constant(np.float32(0))])
        ends = (self.constant(np.float32(value)) for value in (1.0, -1.0))
        signs = self.node("Where", [positive, *ends])
        padding = layer.kernel // 2

        return self.node(
            "Conv",
            [signs, self.constant(_array(conv.binarised(conv.weight)))],
            kernel_shape=[layer.kernel] * 2,
            strides=[layer.stride] * 2,
            pads=[padding] * 4,
        )

    def _squeeze(self, layer: SqueezeExcite, source: str) -> str:
        means = self.node("ReduceMean", [source, self.constant(np.array([2, 3]))], keepdims=1)
        reduce = Conv(layer.channels, layer.reduced, 1)
        expand = Conv(layer.reduced, layer.channels, 1)
        inner = self.node("Relu", [self._convolution(reduce, False, means)])
        gates = self.node(
            "HardSigmoid", [self._convolution(expand, False, inner)], alpha=1 / 6, beta=0.5
        )
        return self.node("Mul", [source, gates])

    def _resize(self, layer: Resize, source: str) -> str:
        """Write a resizing with torch's positions of pixels."""
        attributes: dict[str, Any] = (
            {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
            if layer.mode == "bilinear"
            else {
                "mode": "nearest",
                "coordinate_transformation_mode": "asymmetric",
                "nearest_mode": "floor",
            }
        )
        # By sizes: products with rounded scales may be a pixel short. The inputs before them, a
        # region and scales, are absent.
        sizes = self.constant(np.array([layer.height, layer.width]))
        return self.node("Resize", [source, "", "", sizes], axes=[2, 3], **attributes)

    def _weighted_sum(self, shape: Shape, source: str) -> str:
        mean = next(self.layers)
        assert isinstance(mean, WeightedMean)
        weights = _array(mean.normalised())
        channels, height, width = shape
        inputs = len(weights)
        view = self.reshape(source, [0, inputs, channels // inputs, height, width])
        weighted = self.node("Mul", [view, self.constant(weights.reshape(1, -1, 1, 1, 1))])
        return self.node("ReduceSum", [weighted, self.constant(np.array([1]))], keepdims=0)

    def _activation(self, name: str, source: str) -> str:
        if name == "relu6":
            limits = (self.constant(np.float32(limit)) for limit in (0.0, 6.0))
            return self.node("Clip", [source, *limits])
        kinds = {"relu": "Relu", "hswish": "HardSwish", "sigmoid": "Sigmoid"}
        return self.node(kinds[name], [source])

    def reshape(self, source: str, shape: list[int]) -> str:
        """Write a view and return its name; a size of 0 retains the input's."""
        return self.node("Reshape", [source, self.constant(np.array(shape, dtype=np.int64))])

    def node(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Write a node and return the name of its output."""
        name = f"{self.name}.{len(self.fragment.nodes)}"
        self.fragment.nodes.append(
            helper.make_node(kind, list(inputs), [name], name=name, **attributes)
        )
        return name

    def constant(self, value: NDArray[Any] | np.generic) -> str:
        """Write a constant and return its name."""
        name = f"{self.name}.w{len(self.fragment.weights)}"
        self.fragment.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name


def _array(value: torch.Tensor) -> NDArray[np.float32]:
    return value.detach().float().cpu().numpy()


def _folded(norm: nn.BatchNorm2d) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the scale and the shift of batch normalisation in evaluation."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    weight = _array(norm.weight) if norm.affine else np.ones(norm.num_features, dtype=np.float32)
    bias = _array(norm.bias) if norm.affine else np.zeros(norm.num_features, dtype=np.float32)
    scale = weight / np.sqrt(_array(norm.running_var) + np.float32(norm.eps))
    return scale, bias - _array(norm.running_mean) * scale

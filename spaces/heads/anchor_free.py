"""Boxes without anchors, from a pyramid of features that a subclass joins.

Tian et al., ICCV 2019 (arXiv 1904.01355), with the assignment of Zhang et al., CVPR 2020 (arXiv
1912.02424), which the task makes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from spaces.block import Block
from spaces.errors import InvalidParameter
from spaces.heads.geometry import BoxGeometry, Level
from spaces.heads.head import Head
from spaces.heads.options import check_numbers, select_strides

if TYPE_CHECKING:
    import torch
    from torch import nn

    from spaces.heads.wiring import Wiring, WiringBuilder


class AnchorFreeHead(Head):
    """Scores, distances to the four sides and centerness of each cell of a pyramid.

    Every level has layers of its own, as in SSDLite, so that each is a block with its own cost.

    Args:
        width: Channels of all levels.
        kernels: Choices of the kernel of each separable convolution, in pixels.
        extra: Number of levels beyond those of the backbone, each half the size of the one before.
        taps: Strides of the features that leave the backbone; empty: its last three.
    """

    kind = "boxes"
    num_classes = 20
    name: ClassVar[str]
    """Registered name, for errors."""

    def __init__(self, width: int, kernels: tuple[int, ...], extra: int, taps: tuple[int, ...]):
        check_numbers(self.name, width=(width,), kernels=kernels, taps=taps)
        if extra < 0:
            raise InvalidParameter(f"{self.name}: extra must be 0 or more, not {extra}")

        self.width = width
        self.kernels = tuple(kernels)
        self.extra = extra
        self.requested = tuple(taps)

    def taps(self, strides: Sequence[int]) -> tuple[int, ...]:
        """Return the requested strides, or the last three of the backbone."""
        return select_strides(self.name, self.requested, strides, 3)

    @abstractmethod
    def fuse(self, builder: WiringBuilder, levels: Sequence[int]) -> list[int]:
        """Append the layers that join levels of one width.

        Args:
            builder: Builder with the levels.
            levels: Numbers of the values of the levels, from the finest to the coarsest.

        Returns:
            Numbers of the joined values, one for each level.
        """

    def blocks(self, builder: WiringBuilder, taps: Sequence[int], outputs: int) -> list[int]:
        """Append the pyramid, and for each level a separable convolution and two predictors.

        Returns:
            Numbers of the scores, and of the distances with the centerness, of each level in turn.
        """
        levels = [self._lateral(builder, tap) for tap in taps]
        for _ in range(self.extra):
            levels.append(self._reduced(builder, levels[-1]))

        values = []
        for level in self.fuse(builder, levels):
            features = self.separable(builder, level)
            shape = builder.shape(features)
            for channels in (outputs, 5):
                block = Block("conv_bias", shape, (channels, *shape[1:]), 1, stride=1)
                values.append(builder.append(block, features))

        return values

    def separable(self, builder: WiringBuilder, *sources: int) -> int:
        """Append a separable convolution with a choice of its kernel; return its output."""
        shape = builder.shape(sources[0])
        candidates = {
            f"k{kernel}": (Block("separable", shape, shape, kernel, stride=1, activation="relu6"),)
            for kernel in self.kernels
        }
        return builder.choice(candidates, *sources)

    def resized(self, builder: WiringBuilder, value: int, like: int) -> int:
        """Append features resized to the size of others by the nearest pixel."""
        block = Block("resize_nearest", builder.shape(value), builder.shape(like))
        return builder.append(block, value)

    def geometry(self, wiring: Wiring, strides: Sequence[int]) -> BoxGeometry:
        """Return the levels of the pyramid."""
        _, height, width = wiring.shapes[0]
        further = [strides[-1] * 2**step for step in range(1, self.extra + 1)]
        shapes = [wiring.shapes[value] for value in wiring.outputs[::2]]
        levels = [
            Level(stride, shape[1], shape[2])
            for stride, shape in zip((*strides, *further), shapes, strict=True)
        ]
        return BoxGeometry((height, width), tuple(levels), background=False)

    def collector(self, wiring: Wiring, geometry: BoxGeometry | None) -> nn.Module:
        """Return a module that arranges the predictions by location."""
        from spaces.modules.head_outputs import DistanceOutputs

        return DistanceOutputs()

    def initialise(
        self, wiring: Wiring, modules: Sequence[nn.Module], generator: torch.Generator
    ) -> None:
        """Begin with low scores and with boxes of 8 strides, so that few locations dominate."""
        from spaces.modules.head_outputs import DISTANCE_BIAS, SCORE_BIAS, initialise_predictors

        outputs = [modules[value - 1] for value in wiring.outputs]
        initialise_predictors(outputs[::2], generator, SCORE_BIAS)
        initialise_predictors(outputs[1::2], generator, DISTANCE_BIAS)

    def _lateral(self, builder: WiringBuilder, tap: int) -> int:
        """Append a pointwise convolution of a feature of the backbone to the pyramid's width."""
        shape = builder.shape(tap)
        block = Block("conv", shape, (self.width, *shape[1:]), 1, stride=1)
        return builder.append(block, tap)

    def _reduced(self, builder: WiringBuilder, level: int) -> int:
        """Append a level of half the size."""
        channels, height, width = builder.shape(level)
        output = (channels, -(-height // 2), -(-width // 2))
        block = Block("separable", builder.shape(level), output, 3, stride=2, activation="relu6")
        return builder.append(block, level)

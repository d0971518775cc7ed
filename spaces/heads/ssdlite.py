"""SSDLite: boxes relative to anchors, from separable convolutions on several feature maps.

Liu et al., ECCV 2016 (arXiv 1512.02325); Sandler et al., CVPR 2018 (arXiv 1801.04381), section 6.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spaces.block import Block
from spaces.errors import InvalidParameter
from spaces.heads.geometry import BoxGeometry, Level, ssd_anchors
from spaces.heads.head import Head
from spaces.heads.options import check_numbers, select_strides
from spaces.operators.mobile import divisible

if TYPE_CHECKING:
    import torch
    from torch import nn

    from spaces.heads.wiring import Wiring, WiringBuilder

SCALES = (0.15, 1.05)
"""First and last of the scales, as in aw_nas."""


class SSDLite(Head):
    """Boxes relative to anchors on two feature maps of the backbone and on further, coarser ones.

    The further maps are computed by inverted residuals of stride 2, whose inner widths and kernels
    are choices. Scores have the background as channel 0.

    Args:
        channels: Output channels of each further inverted residual.
        widths: Choices of the inner channels of a further inverted residual, as fractions of those
            of its input.
        kernels: Choices of its kernel, in pixels.
        ratios: Ratios of the sides of anchors, above 1; each is used both ways.
        taps: Strides of the features that leave the backbone; empty: its last two.
    """

    kind = "boxes"
    num_classes = 20

    def __init__(
        self,
        *,
        channels: tuple[int, ...] = (512, 256, 256, 128),
        widths: tuple[float, ...] = (0.25, 0.5, 0.75),
        kernels: tuple[int, ...] = (3, 5, 7),
        ratios: tuple[float, ...] = (2.0, 3.0),
        taps: tuple[int, ...] = (),
    ):
        check_numbers("ssdlite", channels=channels, widths=widths, kernels=kernels, taps=taps)
        if any(ratio <= 1 for ratio in ratios):
            raise InvalidParameter(
                f"ssdlite: ratios must be above 1, for each is used both ways; got {ratios}"
            )

        self.channels = tuple(channels)
        self.widths = tuple(widths)
        self.kernels = tuple(kernels)
        self.ratios = tuple(ratios)
        self.requested = tuple(taps)

    def taps(self, strides: Sequence[int]) -> tuple[int, ...]:
        """Return the requested strides, or the last two of the backbone."""
        return select_strides("ssdlite", self.requested, strides, 2)

    def blocks(self, builder: WiringBuilder, taps: Sequence[int], outputs: int) -> list[int]:
        """Append further feature maps, and two predictors for each map.

        Returns:
            Numbers of the scores and offsets of each level in turn.
        """
        features = list(taps)
        for channels in self.channels:
            candidates = self._candidates(builder.shape(features[-1]), channels)
            features.append(builder.choice(candidates, features[-1]))

        # A score for the background too.
        anchors = 2 + 2 * len(self.ratios)
        values = []
        for feature in features:
            shape = builder.shape(feature)
            for predictions in (outputs + 1, 4):
                output = (anchors * predictions, *shape[1:])
                block = Block("predictor", shape, output, 3, stride=1, activation="relu6")
                values.append(builder.append(block, feature))

        return values

    def geometry(self, wiring: Wiring, strides: Sequence[int]) -> BoxGeometry:
        """Return the levels with their anchors."""
        _, height, width = wiring.shapes[0]
        levels = [wiring.shapes[value] for value in wiring.outputs[::2]]
        anchors = ssd_anchors((height, width), len(levels), self.ratios, SCALES)
        # Each further map halves the one before it.
        further = [strides[-1] * 2**step for step in range(1, len(self.channels) + 1)]

        return BoxGeometry(
            (height, width),
            tuple(
                Level(stride, shape[1], shape[2], boxes)
                for stride, shape, boxes in zip((*strides, *further), levels, anchors, strict=True)
            ),
            background=True,
        )

    def collector(self, wiring: Wiring, geometry: BoxGeometry | None) -> nn.Module:
        """Return a module that arranges the predictions by location."""
        from spaces.modules.head_outputs import AnchorOutputs

        return AnchorOutputs(2 + 2 * len(self.ratios))

    def initialise(
        self, wiring: Wiring, modules: Sequence[nn.Module], generator: torch.Generator
    ) -> None:
        """Begin with small predictions, so that no class is preferred."""
        from spaces.modules.head_outputs import initialise_predictors

        initialise_predictors([modules[value - 1] for value in wiring.outputs], generator)

    def _candidates(self, shape: tuple[int, ...], channels: int) -> dict[str, tuple[Block, ...]]:
        """Return the candidates `k3w0.5`, ... of a further feature map: name -> its block."""
        inputs, height, width = shape
        output = (channels, -(-height // 2), -(-width // 2))
        return {
            f"k{kernel}w{fraction:g}": (
                Block(
                    "mbconv",
                    shape,
                    output,
                    kernel,
                    hidden=divisible(inputs * fraction),
                    stride=2,
                    activation="relu6",
                ),
            )
            for kernel in self.kernels
            for fraction in self.widths
        }

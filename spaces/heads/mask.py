"""Lite R-ASPP: a class for every pixel, from two features of the backbone.

Howard et al., ICCV 2019 (arXiv 1905.02244), section 6.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spaces.block import Block
from spaces.errors import InvalidParameter
from spaces.heads.head import Head
from spaces.heads.options import check_numbers, select_strides

if TYPE_CHECKING:
    from torch import nn

    from spaces.heads.geometry import BoxGeometry
    from spaces.heads.wiring import Wiring, WiringBuilder


class Mask(Head):
    """Lite R-ASPP: scores of all classes for every pixel, at the size of the image.

    A coarse feature is scaled by its global context and classified; the result is added to a
    classification of a finer feature and resized to the image, both bilinearly. Its width is a
    choice.

    Args:
        widths: Choices of the channels that the coarse feature is projected to.
        taps: Strides of the finer and the coarse feature; empty: the backbone's last one and the
            one a quarter as large.
    """

    kind = "mask"
    num_classes = 21

    def __init__(self, *, widths: tuple[int, ...] = (64, 128), taps: tuple[int, ...] = ()):
        check_numbers("mask", widths=widths, taps=taps)
        if taps and len(taps) != 2:
            raise InvalidParameter(f"mask: taps needs two strides, not {tuple(taps)}")
        self.widths = tuple(widths)
        self.requested = tuple(taps)

    def taps(self, strides: Sequence[int]) -> tuple[int, ...]:
        """Return the requested strides, or the third last and the last one of the backbone."""
        selected = select_strides("mask", self.requested, strides, 3)
        return selected[0], selected[-1]

    def blocks(self, builder: WiringBuilder, taps: Sequence[int], outputs: int) -> list[int]:
        """Append both classifications, and their sum at the size of the image."""
        fine, coarse = taps
        fine_shape = builder.shape(fine)
        fine_scores = (outputs, *fine_shape[1:])

        # Classified before it is resized: both are linear, so that the order does not matter.
        context = builder.choice(self._candidates(builder.shape(coarse), outputs), coarse)
        resized = Block("resize_bilinear", builder.shape(context), fine_scores)
        enlarged = builder.append(resized, context)
        scores = builder.append(Block("conv_bias", fine_shape, fine_scores, 1, stride=1), fine)

        image = (outputs, *builder.shape(0)[1:])
        return [builder.append(Block("resize_bilinear", fine_scores, image), enlarged, scores)]

    def collector(self, wiring: Wiring, geometry: BoxGeometry | None) -> nn.Module:
        """Return a module that returns the scores."""
        from spaces.modules.head_outputs import SingleOutput

        return SingleOutput()

    def _candidates(self, shape: tuple[int, ...], outputs: int) -> dict[str, tuple[Block, ...]]:
        """Return the candidates `w64`, ... of the coarse classification: name -> its blocks."""
        candidates: dict[str, tuple[Block, ...]] = {}
        for width in self.widths:
            hidden = (width, *shape[1:])
            candidates[f"w{width}"] = (
                Block("gated_conv", shape, hidden, 1, stride=1, activation="relu"),
                Block("conv_bias", hidden, (outputs, *shape[1:]), 1, stride=1),
            )
        return candidates

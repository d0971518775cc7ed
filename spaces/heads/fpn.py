"""Feature pyramids with one way down.

Lin et al., CVPR 2017 (arXiv 1612.03144).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spaces.heads.anchor_free import AnchorFreeHead

if TYPE_CHECKING:
    from spaces.heads.wiring import WiringBuilder


class FPN(AnchorFreeHead):
    """Boxes without anchors on a feature pyramid: coarse levels are added to finer ones.

    Scores have no background. The kernels of the separable convolutions after each sum, and before
    the predictions of each level, are choices.

    Args:
        width: Channels of all levels.
        kernels: Choices of the kernel of each separable convolution, in pixels.
        extra: Number of levels beyond those of the backbone, each half the size of the one before.
        taps: Strides of the features that leave the backbone; empty: its last three.
    """

    name = "fpn"

    def __init__(
        self,
        *,
        width: int = 96,
        kernels: tuple[int, ...] = (3, 5, 7),
        extra: int = 1,
        taps: tuple[int, ...] = (),
    ):
        super().__init__(width, kernels, extra, taps)

    def fuse(self, builder: WiringBuilder, levels: Sequence[int]) -> list[int]:
        """Append sums with the next coarser level, from the coarsest to the finest."""
        fused = [levels[-1]]
        for level in reversed(levels[:-1]):
            coarser = self.resized(builder, fused[0], level)
            fused.insert(0, self.separable(builder, level, coarser))
        return fused

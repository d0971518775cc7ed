"""Feature pyramids with ways down and up, and learned weights of what they join.

Tan et al., CVPR 2020 (arXiv 1911.09070), section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spaces.block import Block
from spaces.heads.anchor_free import AnchorFreeHead
from spaces.heads.options import check_numbers

if TYPE_CHECKING:
    from spaces.heads.wiring import WiringBuilder


class BiFPN(AnchorFreeHead):
    """Boxes without anchors on a weighted bidirectional feature pyramid.

    Scores have no background. The kernels of the separable convolutions after each weighted sum,
    and before the predictions of each level, are choices.

    Args:
        width: Channels of all levels.
        kernels: Choices of the kernel of each separable convolution, in pixels.
        repeats: Number of times that features are passed down and up.
        extra: Number of levels beyond those of the backbone, each half the size of the one before.
        taps: Strides of the features that leave the backbone; empty: its last three.
    """

    name = "bifpn"

    def __init__(
        self,
        *,
        width: int = 64,
        kernels: tuple[int, ...] = (3, 5, 7),
        repeats: int = 1,
        extra: int = 1,
        taps: tuple[int, ...] = (),
    ):
        super().__init__(width, kernels, extra, taps)
        check_numbers(self.name, repeats=(repeats,))
        self.repeats = repeats

    def fuse(self, builder: WiringBuilder, levels: Sequence[int]) -> list[int]:
        """Append the ways down and up, as often as features are passed."""
        fused = list(levels)
        for _ in range(self.repeats):
            fused = self._pass(builder, fused)
        return fused

    def _pass(self, builder: WiringBuilder, levels: Sequence[int]) -> list[int]:
        """Append one way down and one up (figure 2d)."""
        down = [levels[-1]]
        for level in reversed(levels[:-1]):
            coarser = self.resized(builder, down[0], level)
            down.insert(0, self._joined(builder, level, coarser))

        # The finest level has no finer one: the way up begins with it.
        up = [down[0]]
        for index in range(1, len(levels)):
            finer = self._pooled(builder, up[-1], levels[index])
            # On the coarsest level the way down is the level itself.
            sources = dict.fromkeys((levels[index], down[index], finer))
            up.append(self._joined(builder, *sources))

        return up

    def _joined(self, builder: WiringBuilder, *sources: int) -> int:
        """Append a weighted sum and a separable convolution."""
        shape = builder.shape(sources[0])
        inputs = (len(sources) * shape[0], *shape[1:])
        return self.separable(
            builder, builder.append(Block("weighted_sum", inputs, shape), *sources)
        )

    def _pooled(self, builder: WiringBuilder, value: int, like: int) -> int:
        """Append features pooled to the half size of the next level."""
        block = Block("max_pool", builder.shape(value), builder.shape(like), 3, stride=2)
        return builder.append(block, value)

"""The head of image classification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spaces.heads.head import Head

if TYPE_CHECKING:
    from torch import nn

    from spaces.heads.geometry import BoxGeometry
    from spaces.heads.wiring import Wiring, WiringBuilder


class Classifier(Head):
    """Pooled features and a linear layer, with the layers before them that each space publishes.

    A space with this head is a chain, which it builds itself.
    """

    kind = "classes"
    num_classes = 1000

    def taps(self, strides: Sequence[int]) -> tuple[int, ...]:
        """Return the last stride."""
        return (strides[-1],)

    def blocks(self, builder: WiringBuilder, taps: Sequence[int], outputs: int) -> list[int]:
        """Append a linear layer to the pooled features."""
        from spaces.block import Block

        shape = builder.shape(taps[0])
        return [builder.append(Block("linear", shape, (outputs,)), taps[0])]

    def collector(self, wiring: Wiring, geometry: BoxGeometry | None) -> nn.Module:
        """Return a module that returns the only output."""
        from spaces.modules.head_outputs import SingleOutput

        return SingleOutput()

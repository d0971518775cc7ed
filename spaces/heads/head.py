"""Head: the layers behind a backbone, and what networks with them return."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import torch
    from torch import nn

    from spaces.heads.geometry import BoxGeometry
    from spaces.heads.wiring import Wiring, WiringBuilder


class Head(ABC):
    """The layers that follow a backbone.

    They are blocks and choices of blocks, as the backbone's layers are, so that costs, tables,
    constraints and searches cover them. A subclass is registered in `HEADS`; its keyword arguments
    are the options of `head='NAME(option=1)'`.

    Example:
        >>> from spaces import Block
        >>> from spaces.heads import WiringBuilder
        >>> class PixelScores(Head):
        ...     kind = "mask"
        ...     num_classes = 2
        ...     def taps(self, strides):
        ...         return (strides[0],)
        ...     def blocks(self, builder, taps, outputs):
        ...         shape = builder.shape(taps[0])
        ...         block = Block("conv_bias", shape, (outputs, *shape[1:]), kernel=1, stride=1)
        ...         return [builder.append(block, taps[0])]
        ...     def collector(self, wiring, geometry):
        ...         from spaces.modules.head_outputs import SingleOutput
        ...         return SingleOutput()
        >>> builder = WiringBuilder((3, 8, 8))
        >>> PixelScores().blocks(builder, [0], outputs=2)
        [1]
    """

    kind: ClassVar[str]
    """What networks return: `classes`, `boxes` or `mask`; a task asks for one of them."""

    num_classes: ClassVar[int]
    """Number of classes that costs are counted with, unless the space's name has another one."""

    @abstractmethod
    def taps(self, strides: Sequence[int]) -> tuple[int, ...]:
        """Return the strides whose features leave the backbone, in ascending order.

        Args:
            strides: Strides that the backbone has, in ascending order.

        Raises:
            InvalidParameter: The backbone lacks a stride that an option names.
        """

    @abstractmethod
    def blocks(self, builder: WiringBuilder, taps: Sequence[int], outputs: int) -> list[int]:
        """Append the layers of the head to a backbone.

        Args:
            builder: Builder with the layers of the backbone.
            taps: Numbers of the values that the head reads, in the order of `taps(strides)`.
            outputs: Number of classes.

        Returns:
            Numbers of the values that the network returns.
        """

    def geometry(self, wiring: Wiring, strides: Sequence[int]) -> BoxGeometry | None:
        """Return where predictions lie in the image; None for heads without boxes.

        Args:
            wiring: All layers of the network.
            strides: The strides that `taps` returned.
        """
        return None

    @abstractmethod
    def collector(self, wiring: Wiring, geometry: BoxGeometry | None) -> nn.Module:
        """Return the module without weights that turns the output values into the result.

        Args:
            wiring: All layers of the network.
            geometry: Where predictions lie in the image.
        """

    def initialise(
        self, wiring: Wiring, modules: Sequence[nn.Module], generator: torch.Generator
    ) -> None:
        """Set weights that the backbone's initialiser does not know, without gradients.

        Args:
            wiring: All layers of the network.
            modules: Module of each layer.
            generator: Source of random weights.
        """
        return

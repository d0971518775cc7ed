"""What MobileNet-like spaces share: inverted residuals of every kernel and expansion, stage by
stage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from spaces.block import Block
from spaces.chains.additive_space import ChoiceLayer
from spaces.chains.chain import ChainSpace
from spaces.errors import InvalidParameter
from spaces.operators.layers import Shape
from spaces.operators.mobile import divisible

if TYPE_CHECKING:
    from spaces.modules.network import Initialiser


class ChainBuilder:
    """Lays out blocks one after the other and keeps track of the shape.

    Args:
        input_shape: shape of one image.
    """

    def __init__(self, input_shape: tuple[int, int, int]):
        self.input_shape = input_shape
        self.shape: Shape = input_shape
        self.layout: list[Block | ChoiceLayer] = []
        self._layers = 0

    def after(self, channels: int, stride: int = 1) -> Shape:
        """The shape behind a block of `channels` and `stride`."""
        _, height, width = self.shape
        return channels, -(-height // stride), -(-width // stride)

    def conv(
        self, channels: int, kernel: int, stride: int, activation: str, operator: str = "conv"
    ) -> None:
        """Add a convolution."""
        after = self.after(channels, stride)
        self.layout.append(
            Block(operator, self.shape, after, kernel, stride=stride, activation=activation)
        )
        self.shape = after

    def fixed(self, block: Block) -> None:
        """Add a block."""
        self.layout.append(block)
        self.shape = block.output

    def choice(self, candidates: dict[str, tuple[Block, ...]], channels: int, stride: int) -> None:
        """Add the next choice, `layer_1`, `layer_2`, ..."""
        self._layers += 1
        self.layout.append(ChoiceLayer(self.last_key, candidates))
        self.shape = self.after(channels, stride)

    def space(
        self, name: str, num_classes: int, initialise: Callable[[], Initialiser]
    ) -> ChainSpace:
        """The space of what was laid out, with a linear classifier behind it."""
        return ChainSpace(name, *self.parts(num_classes, "linear"), initialise)

    def parts(
        self, num_classes: int, operator: str
    ) -> tuple[list[Block | ChoiceLayer], tuple[int, int, int], int, Callable[[int], Block]]:
        """Layout, input shape, classes and classifier, as ChainSpace takes them; the classifier is
        of `operator`.
        """
        behind = self.shape

        def classifier(classes: int) -> Block:
            return Block(operator, behind, (classes,))

        return [*self.layout, classifier(num_classes)], self.input_shape, num_classes, classifier

    @property
    def last_key(self) -> str:
        """The key of the choice that was added last."""
        return f"layer_{self._layers}"

    def mbconv(
        self,
        channels: int,
        kernel: int,
        expansion: int,
        stride: int,
        activation: str,
        se: bool = False,
    ) -> Block:
        """An inverted residual from the present shape; a shortcut where shapes agree."""
        after = self.after(channels, stride)
        return Block(
            "mbconv",
            self.shape,
            after,
            kernel,
            stride=stride,
            activation=activation,
            expansion=expansion,
            se=se,
            shortcut=after == self.shape,
        )

    def mbconvs(
        self,
        channels: int,
        kernels: Iterable[int],
        expansions: Sequence[int],
        stride: int,
        activation: str,
        se: bool = False,
    ) -> dict[str, tuple[Block, ...]]:
        """Candidates `k3e3`, `k3e6`, ...: every kernel with every expansion."""
        return {
            f"k{kernel}e{expansion}": (
                self.mbconv(channels, kernel, expansion, stride, activation, se),
            )
            for kernel in kernels
            for expansion in expansions
        }


def scaled(widths: Iterable[int], factor: float) -> tuple[int, ...]:
    """Widths times a multiplier, as multiples of 8 (unchanged at 1)."""
    return tuple(width if factor == 1 else divisible(width * factor) for width in widths)


def check_stages(name: str, **stages: Sequence[int]) -> None:
    """Raise InvalidParameter unless all sequences have one entry a stage."""
    if len({len(values) for values in stages.values()}) != 1 or not all(stages.values()):
        given = ", ".join(f"{key}={tuple(values)}" for key, values in stages.items())
        raise InvalidParameter(
            f"{name}: {' and '.join(stages)} need one entry a stage; got {given}"
        )


def layers(text: str) -> dict[str, str]:
    """`layer_1`, `layer_2`, ... -> the candidates of a text, which spaces part."""
    return {f"layer_{number}": candidate for number, candidate in enumerate(text.split(), 1)}

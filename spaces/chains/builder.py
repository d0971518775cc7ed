"""ChainBuilder: layouts of MobileNet-like spaces, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from spaces.block import Block
from spaces.chains.additive_space import ChoiceLayer
from spaces.chains.chain import ChainSpace, Layout
from spaces.errors import InvalidParameter
from spaces.heads.attached import AttachedHead, attach
from spaces.operators.layers import Shape
from spaces.operators.mobile import divisible

if TYPE_CHECKING:
    from spaces.modules.network import Initialiser


class ChainBuilder:
    """Appends blocks and choices to a layout and keeps track of the shape of features.

    Args:
        input_shape: Shape of one image, (channels, height, width).
    """

    def __init__(self, input_shape: tuple[int, int, int]):
        self.input_shape = input_shape
        self.shape: Shape = input_shape
        self.layout: list[Block | ChoiceLayer] = []
        self._layers = 0

    def shape_after(self, channels: int, stride: int = 1) -> Shape:
        """Return the shape of the output of a next block with these channels and stride."""
        # Sizes are rounded up, as padded convolutions do.
        _, height, width = self.shape
        return channels, -(-height // stride), -(-width // stride)

    def conv(
        self, channels: int, kernel: int, stride: int, activation: str, operator: str = "conv"
    ) -> None:
        """Append a convolution."""
        output = self.shape_after(channels, stride)
        self.layout.append(
            Block(operator, self.shape, output, kernel, stride=stride, activation=activation)
        )
        self.shape = output

    def fixed(self, block: Block) -> None:
        """Append a fixed block."""
        self.layout.append(block)
        self.shape = block.output

    def choice(self, candidates: dict[str, tuple[Block, ...]], channels: int, stride: int) -> None:
        """Append the next choice; keys are `layer_1`, `layer_2`, ..."""
        self._layers += 1
        self.layout.append(ChoiceLayer(self.last_key, candidates))
        self.shape = self.shape_after(channels, stride)

    def space(
        self,
        name: str,
        num_classes: int,
        initialise: Callable[[], Initialiser],
        affine_supernet: bool = False,
        attached: AttachedHead | None = None,
    ) -> ChainSpace:
        """Return the space of the layout, completed by a linear classifier or another head."""
        arguments = self.arguments(num_classes, "linear", attached)
        return ChainSpace(name, *arguments, initialise, affine_supernet, attached)

    def attach(self, head: str) -> AttachedHead | None:
        """Return a head behind the layers so far, given by its name; None for the classifier."""
        return attach(head, self.layout, self.input_shape)

    def arguments(
        self, num_classes: int, operator: str, attached: AttachedHead | None = None
    ) -> tuple[Layout, tuple[int, int, int], int, Callable[[int], Block] | None]:
        """Return layout, input shape, number of classes and classifier, as ChainSpace takes them.

        Args:
            num_classes: Number of classes that costs are counted with.
            operator: Operator of the classifier.
            attached: Head in place of the classifier.
        """
        if attached is not None:
            return attached.wiring(num_classes).items, self.input_shape, num_classes, None

        # Bound now: the builder's shape may change later.
        features = self.shape

        def classifier(classes: int) -> Block:
            return Block(operator, features, (classes,))

        # A new list: the builder's layout stays without a classifier.
        return [*self.layout, classifier(num_classes)], self.input_shape, num_classes, classifier

    @property
    def last_key(self) -> str:
        """Key of the choice that was appended last."""
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
        """Return an inverted residual from the present shape, with a shortcut if shapes agree."""
        output = self.shape_after(channels, stride)
        return Block(
            "mbconv",
            self.shape,
            output,
            kernel,
            stride=stride,
            activation=activation,
            expansion=expansion,
            se=se,
            shortcut=output == self.shape,
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
        """Return candidates `k3e3`, `k3e6`, ...: every kernel with every expansion."""
        return {
            f"k{kernel}e{expansion}": (
                self.mbconv(channels, kernel, expansion, stride, activation, se),
            )
            for kernel in kernels
            for expansion in expansions
        }


def scaled(widths: Iterable[int], factor: float) -> tuple[int, ...]:
    """Multiply widths by a factor and round to multiples of 8; a factor of 1 changes nothing."""
    return tuple(width if factor == 1 else divisible(width * factor) for width in widths)


def check_stages(name: str, **stages: Sequence[int]) -> None:
    """Check that all sequences have one entry per stage.

    Args:
        name: Name of the space, for the error.
        stages: Parameter -> entry of each stage.

    Raises:
        InvalidParameter: Lengths differ, or there is no stage.
    """
    if len({len(values) for values in stages.values()}) != 1 or not all(stages.values()):
        listed = ", ".join(f"{key}={tuple(values)}" for key, values in stages.items())
        raise InvalidParameter(
            f"{name}: {' and '.join(stages)} need one entry a stage; got {listed}"
        )


def layers(text: str) -> dict[str, str]:
    """Name the candidates in a text, separated by spaces, `layer_1`, `layer_2`, ..."""
    return {f"layer_{number}": candidate for number, candidate in enumerate(text.split(), 1)}

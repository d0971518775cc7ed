"""Wiring of layers that read several values."""

import pytest
import torch
from torch import Tensor

from spaces import Block
from spaces.heads import WiringBuilder

CONV = Block("conv", (3, 8, 8), (4, 8, 8), kernel=3, stride=1)
POINTWISE = Block("conv", (4, 8, 8), (4, 8, 8), kernel=1, stride=1)
WIDE = Block("conv", (8, 8, 8), (2, 8, 8), kernel=1, stride=1)


def example() -> WiringBuilder:
    """Two features of the image, their sum, and both concatenated."""
    builder = WiringBuilder((3, 8, 8))
    first = builder.append(CONV, 0)
    second = builder.append(CONV, 0)
    builder.append(POINTWISE, first, second)
    builder.append(WIDE, first, second)
    return builder


def test_layers_read_sums_and_concatenations() -> None:
    wiring = example().wiring([3, 4])
    seen: list[Tensor] = []

    def first(x: Tensor) -> Tensor:
        return x[:, :1].repeat(1, 4, 1, 1)

    def second(x: Tensor) -> Tensor:
        return x[:, 1:2].repeat(1, 4, 1, 1)

    def record(x: Tensor) -> Tensor:
        seen.append(x)
        return x

    image = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    outputs = wiring.run([first, second, record, record], image)

    assert torch.equal(seen[0], first(image) + second(image))
    assert torch.equal(seen[1], torch.cat([first(image), second(image)], 1))
    assert all(output is value for output, value in zip(outputs, seen, strict=True))


def test_values_are_released_after_their_last_reader_unless_returned() -> None:
    assert example().wiring([4]).released == ((), (0,), (), (1, 2))
    assert example().wiring([4, 1]).released == ((), (0,), (), (2,))


def test_waiting_values_are_those_that_later_layers_read() -> None:
    image, features = 3 * 64, 4 * 64
    # The image is the input of the first two; the first feature waits for its later readers.
    # Sources that are joined wait beside what they are joined to.
    waiting = example().wiring([3, 4]).waiting

    assert waiting == (0, features, 2 * features, 3 * features)
    assert image not in waiting


@pytest.mark.parametrize(
    ("item", "sources", "fault"),
    [
        (POINTWISE, (0,), "cannot read values of the shapes"),
        (WIDE, (1,), "cannot read values of the shapes"),
        (CONV, (0, 1), "cannot read values of the shapes"),
    ],
)
def test_layer_that_does_not_fit_raises(item: Block, sources: tuple[int, ...], fault: str) -> None:
    builder = WiringBuilder((3, 8, 8))
    builder.append(CONV, 0)

    with pytest.raises(ValueError, match=fault):
        builder.append(item, *sources)


def test_candidates_with_different_outputs_raise() -> None:
    builder = WiringBuilder((3, 8, 8))
    wider = Block("conv", (3, 8, 8), (5, 8, 8), kernel=3, stride=1)

    with pytest.raises(ValueError, match="differ in the shape"):
        builder.choice({"k3": (CONV,), "wide": (wider,)}, 0)

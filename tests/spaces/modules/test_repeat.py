"""Repeat: further arguments of its blocks."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import spaces
from spaces import Repeat
from spaces.errors import InvalidParameter


class MaskedBlock(nn.Module):
    """A linear layer whose output a mask [n, tokens] multiplies."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor, mask: Tensor | None = None, *, scale: float = 1.0) -> Tensor:
        output: Tensor = self.linear(x) * scale
        return output if mask is None else output * mask[..., None]


class MaskedModel(nn.Module):
    """A Repeat of masked blocks, which the mask reaches by position or by name."""

    def __init__(self, by_name: bool) -> None:
        super().__init__()
        self.by_name = by_name
        self.blocks = Repeat(lambda index: MaskedBlock(), (0, 3))
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        mask = torch.zeros(x.shape[:2])
        mask[:, 0] = 1
        x = self.blocks(x, mask=mask) if self.by_name else self.blocks(x, mask, scale=1.0)
        output: Tensor = self.head(x.mean(1))
        return output


@pytest.mark.parametrize("by_name", [True, False])
def test_a_mask_reaches_every_block(by_name: bool) -> None:
    x = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    space = spaces.from_model(MaskedModel(by_name), x)
    supernet: Any = space.supernet().eval()
    mask = torch.tensor([[1.0, 0.0, 0.0]]).expand(2, 3)

    for depth in range(4):
        architecture = space.architecture({"blocks": str(depth)})
        features = x
        for block in supernet.model.blocks.blocks[:depth]:
            features = block(features, mask)
        expected = supernet.model.head(features.mean(1))

        supernet.activate(architecture)
        assert torch.equal(supernet(x), expected)
        assert torch.equal(space.network(architecture).eval()(x), expected)


def test_the_input_of_the_first_block_is_positional() -> None:
    repeat = Repeat(MaskedBlock(), (1, 2), key="depth")
    repeat.activate("1")
    with pytest.raises(InvalidParameter, match=r"depth: give the input .* by keyword \(x\)"):
        repeat(x=torch.ones(1, 3, 4))


def test_blocks_with_computed_weights_are_repeated() -> None:
    block = nn.utils.spectral_norm(nn.Linear(4, 4))
    repeat = Repeat(block, (1, 2), key="depth")
    first, second = (copy.copy(part.weight_orig) for part in repeat.blocks)
    assert torch.equal(first, second)  # type: ignore[arg-type]

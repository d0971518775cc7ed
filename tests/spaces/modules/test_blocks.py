"""Blocks as modules: the same function as the official release's blocks."""

import pytest
import torch
from torch import Tensor, nn

from spaces.block import Block
from spaces.errors import UnknownName
from spaces.modules.blocks import build


class Official(nn.Module):
    """The release's Shufflenet and Shuffle_Xception, for a whole input of `inputs` channels."""

    def __init__(
        self, inputs: int, outputs: int, middle: int, kernel: int, stride: int, xception: bool
    ):
        super().__init__()
        self.stride = stride
        inputs = inputs // 2 if stride == 1 else inputs
        outputs -= inputs

        def depthwise(channels: int, strides: int) -> list[nn.Module]:
            conv = nn.Conv2d(
                channels, channels, kernel, strides, kernel // 2, groups=channels, bias=False
            )
            return [conv, nn.BatchNorm2d(channels, affine=False)]

        def pointwise(before: int, after: int) -> list[nn.Module]:
            conv = nn.Conv2d(before, after, 1, 1, 0, bias=False)
            return [conv, nn.BatchNorm2d(after, affine=False), nn.ReLU(inplace=True)]

        if xception:
            main = [*depthwise(inputs, stride), *pointwise(inputs, middle)]
            main += [*depthwise(middle, 1), *pointwise(middle, middle)]
            main += [*depthwise(middle, 1), *pointwise(middle, outputs)]
        else:
            main = [
                *pointwise(inputs, middle),
                *depthwise(middle, stride),
                *pointwise(middle, outputs),
            ]
        self.branch_main = nn.Sequential(*main)
        if stride == 2:
            self.branch_proj = nn.Sequential(*depthwise(inputs, stride), *pointwise(inputs, inputs))

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 2:
            return torch.cat((self.branch_proj(x), self.branch_main(x)), 1)
        count, channels, height, width = x.shape
        x = x.reshape(count * channels // 2, 2, height * width).permute(1, 0, 2)
        x = x.reshape(2, -1, channels // 2, height, width)
        return torch.cat((x[0], self.branch_main(x[1])), 1)


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    ("operator", "kernel"), [("shuffle", 3), ("shuffle", 5), ("shuffle", 7), ("xception", 3)]
)
def test_computes_the_official_function(
    operator: str, kernel: int, stride: int, training: bool
) -> None:
    generator = torch.Generator().manual_seed(kernel + stride)
    inputs, outputs, side = (24, 24, 9) if stride == 1 else (24, 40, 9)
    after = -(-side // stride)
    official = Official(inputs, outputs, 12, kernel, stride, operator == "xception").train(training)
    for name, value in official.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            value.copy_(
                torch.rand(value.shape, generator=generator) - (0 if "running_var" in name else 0.5)
            )
    ours = build(
        Block(operator, (inputs, side, side), (outputs, after, after), kernel, 12, stride, "relu"),
        affine=False,
    )
    ours.load_state_dict(official.state_dict())
    ours.train(training)
    x = torch.randn(3, inputs, side, side, generator=generator)
    expected = official(x.clone())
    assert expected.shape == (3, outputs, after, after)
    torch.testing.assert_close(ours(x.clone()), expected)
    torch.testing.assert_close(ours.state_dict(), official.state_dict())


def test_input_is_not_modified() -> None:
    block = build(Block("shuffle", (8, 5, 5), (8, 5, 5), 3, 4, 1, "relu"))
    x = torch.randn(2, 8, 5, 5, generator=torch.Generator().manual_seed(0))
    kept = x.clone()
    block(x)
    assert torch.equal(x, kept)


@pytest.mark.parametrize(
    ("operator", "main", "projection"),
    [("shuffle", range(8), range(5)), ("xception", range(15), range(5))],
)
@pytest.mark.parametrize("affine", [False, True])
def test_keys_are_those_of_the_release(
    operator: str, main: range, projection: range, affine: bool
) -> None:
    block = Block(operator, (8, 6, 6), (16, 3, 3), 3, 8, 2, "relu")
    module = build(block, affine)
    children = {name for name, _ in module.named_modules() if "." in name}
    assert children == {f"branch_main.{j}" for j in main} | {f"branch_proj.{j}" for j in projection}
    names = {name.rpartition(".")[2] for name in module.state_dict()}
    learned = {"weight", "bias"} if affine else {"weight"}
    assert names == learned | {"running_mean", "running_var", "num_batches_tracked"}
    assert not any(
        "branch_proj" in name
        for name in build(Block(operator, (8, 6, 6), (8, 6, 6), 3, 4, 1)).state_dict()
    )


def test_parameters_of_a_block_are_counted() -> None:
    for stride in (1, 2):
        for operator in ("shuffle", "xception"):
            side = 6 // stride
            block = Block(
                operator, (16, 6, 6), (32 if stride == 2 else 16, side, side), 3, 8, stride, "relu"
            )
            assert block.params == sum(value.numel() for value in build(block).parameters())


def test_unknown_activation_is_named() -> None:
    with pytest.raises(
        UnknownName, match="unknown activation 'mish'; available: relu, relu6, hswish"
    ):
        build(Block("conv", (3, 4, 4), (8, 4, 4), 3, None, 1, "mish"))


@pytest.mark.parametrize(
    ("name", "kind"), [("relu", nn.ReLU), ("relu6", nn.ReLU6), ("hswish", nn.Hardswish)]
)
def test_activation_is_the_one_that_is_named(name: str, kind: type[nn.Module]) -> None:
    modules = list(build(Block("shuffle", (8, 6, 6), (16, 3, 3), 3, 8, 2, name)).modules())
    assert sum(isinstance(module, kind) for module in modules) == 3

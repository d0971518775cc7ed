"""Checkpoints of the SPOS release: names, strictness, and the function that the network computes.

`Release` is an independent network, written from the description of the release and not from
`spaces.modules`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import spaces
from spaces.errors import InvalidArchitecture, InvalidFile
from spaces.formats.spos.checkpoint import (
    load_checkpoint,
    load_release_state,
    release_state,
    save_checkpoint,
)
from spaces.modules.supernet import Supernet

KERNELS = (3, 5, 7, 3)
STAGES = ((4, 64), (4, 160), (8, 320), (4, 640))


def bn(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, affine=False)


def depthwise(channels: int, kernel: int, stride: int) -> nn.Module:
    return nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)


def pointwise(inputs: int, outputs: int) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 1, 1, 0, bias=False)


class ReleaseBlock(nn.Module):
    """choice_3, choice_5, choice_7 or choice_x, for `inputs` channels that enter the main
    branch.
    """

    def __init__(self, choice: int, inputs: int, outputs: int, hidden: int, stride: int):
        super().__init__()
        kernel, main_outputs = KERNELS[choice], outputs - inputs
        if choice < 3:
            parts = [
                pointwise(inputs, hidden),
                bn(hidden),
                nn.ReLU(),
                depthwise(hidden, kernel, stride),
                bn(hidden),
            ]
            parts += [pointwise(hidden, main_outputs), bn(main_outputs), nn.ReLU()]
        else:
            parts = [
                depthwise(inputs, 3, stride),
                bn(inputs),
                pointwise(inputs, hidden),
                bn(hidden),
                nn.ReLU(),
            ]
            parts += [
                depthwise(hidden, 3, 1),
                bn(hidden),
                pointwise(hidden, hidden),
                bn(hidden),
                nn.ReLU(),
            ]
            parts += [
                depthwise(hidden, 3, 1),
                bn(hidden),
                pointwise(hidden, main_outputs),
                bn(main_outputs),
                nn.ReLU(),
            ]
        self.branch_main = nn.Sequential(*parts)
        if stride == 2:
            proj = [
                depthwise(inputs, kernel, 2),
                bn(inputs),
                pointwise(inputs, inputs),
                bn(inputs),
                nn.ReLU(),
            ]
            self.branch_proj = nn.Sequential(*proj)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 2:
            return torch.cat((self.branch_proj(x), self.branch_main(x)), 1)
        passing, worked = channel_shuffle(x)
        return torch.cat((passing, self.branch_main(worked)), 1)


def channel_shuffle(x: Tensor) -> tuple[Tensor, Tensor]:
    count, channels, height, width = x.shape
    x = x.reshape(count * channels // 2, 2, height * width).permute(1, 0, 2)
    x = x.reshape(2, -1, channels // 2, height, width)
    return x[0], x[1]


class Release(nn.Module):
    """The supernet of the release."""

    def __init__(
        self, stages: tuple[tuple[int, int], ...] = STAGES, head: int = 1024, classes: int = 1000
    ):
        super().__init__()
        self.first_conv = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), bn(16), nn.ReLU())
        features, width = [], 16
        for repeats, outputs in stages:
            for repeat in range(repeats):
                stride, inputs = (2, width) if repeat == 0 else (1, outputs // 2)
                blocks = [
                    ReleaseBlock(choice, inputs, outputs, outputs // 2, stride)
                    for choice in range(4)
                ]
                features.append(nn.ModuleList(blocks))
                width = outputs
        self.features = nn.ModuleList(features)
        self.conv_last = nn.Sequential(pointwise(width, head), bn(head), nn.ReLU())
        self.classifier = nn.Sequential(nn.Linear(head, classes, bias=False))

    def forward(self, x: Tensor, codes: list[int]) -> Tensor:
        x = self.first_conv(x)
        for candidates, code in zip(self.features, codes, strict=True):
            x = candidates[code](x)
        return self.classifier(self.conv_last(x).mean((2, 3)))


def randomised(network: nn.Module) -> nn.Module:
    """Random weights, and running statistics that are neither zero nor one."""
    generator = torch.Generator().manual_seed(1)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2, generator=generator)
        elif tensor.is_floating_point():
            fan = tensor[0].numel() if tensor.ndim > 1 else 1
            tensor.normal_(0, (2 / fan) ** 0.5, generator=generator)
        else:
            tensor.fill_(7)
    return network.eval()


TINY = {"stages": ((2, 48), (2, 96), (2, 192)), "head": 256, "classes": 10}


@pytest.fixture(scope="module")
def tiny_release() -> Release:
    network = randomised(Release(**TINY))
    assert isinstance(network, Release)
    return network


def tiny_supernet() -> Supernet:
    return spaces.get("spos-tiny").supernet().eval()


def state_of(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


@pytest.mark.slow
def test_loaded_supernet_computes_the_function_of_the_release(tmp_path: Path) -> None:
    release = randomised(Release())
    torch.save(
        {"state_dict": {f"module.{k}": v for k, v in release.state_dict().items()}},
        tmp_path / "c.pth.tar",
    )
    space = spaces.get("spos", input_size=64)
    supernet = space.supernet().eval()
    load_checkpoint(tmp_path / "c.pth.tar", supernet)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    rows = [
        *np.repeat(np.arange(4), 20).reshape(4, 20).tolist(),
        *space.sample(np.random.default_rng(0), 4).tolist(),
    ]
    with torch.no_grad():
        for codes in rows:
            supernet.activate(codes)
            expected = release(images, codes)
            assert expected.std() > 1e-3
            torch.testing.assert_close(supernet(images), expected, rtol=1e-4, atol=1e-5)


def test_smaller_supernet_computes_the_function_of_the_release(tiny_release: Release) -> None:
    space, supernet = spaces.get("spos-tiny"), tiny_supernet()
    load_release_state(supernet, tiny_release.state_dict())
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    outputs = []
    with torch.no_grad():
        for codes in space.sample(np.random.default_rng(0), 6).tolist():
            supernet.activate(codes)
            outputs.append(supernet(images))
            torch.testing.assert_close(
                outputs[-1], tiny_release(images, codes), rtol=1e-4, atol=1e-5
            )
    assert not torch.allclose(outputs[0], outputs[1])


@pytest.mark.parametrize("prefix", ["module.", ""])
@pytest.mark.parametrize("wrapped", [True, False])
def test_state_goes_in_and_out_unchanged(
    tmp_path: Path, tiny_release: Release, prefix: str, wrapped: bool
) -> None:
    state = {f"{prefix}{name}": tensor for name, tensor in tiny_release.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3} if wrapped else state, tmp_path / "in.pth.tar")
    supernet = tiny_supernet()
    load_checkpoint(tmp_path / "in.pth.tar", supernet)
    save_checkpoint(supernet, tmp_path / "out.pth.tar")
    written = torch.load(tmp_path / "out.pth.tar", weights_only=True)
    assert written.keys() == {"state_dict"}
    expected = {f"module.{name}": tensor for name, tensor in tiny_release.state_dict().items()}
    assert written["state_dict"].keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(written["state_dict"][name], tensor), name
        assert written["state_dict"][name].dtype == tensor.dtype


def test_names_of_the_full_space_are_those_of_the_release() -> None:
    with torch.device("meta"):
        expected = {name: tensor.shape for name, tensor in Release().state_dict().items()}
    found = {
        name: tensor.shape for name, tensor in release_state(spaces.get("spos").supernet()).items()
    }
    assert found == expected


def test_counters_of_batches_may_be_left_out(tiny_release: Release) -> None:
    state = {
        name: tensor
        for name, tensor in state_of(tiny_release).items()
        if not name.endswith("batches_tracked")
    }
    supernet = tiny_supernet()
    load_release_state(supernet, state)
    out = release_state(supernet)
    assert all(torch.equal(out[name], tensor) for name, tensor in state.items())
    assert out["first_conv.1.num_batches_tracked"] == 0


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (
            lambda s: s.pop("first_conv.0.weight"),
            "'first_conv.0.weight' is",
        ),
        (
            lambda s: s.pop("features.2.1.branch_proj.3.running_var"),
            "'features.2.1.branch_proj.3.running_var' is missing",
        ),
        (lambda s: s.update(extra=torch.zeros(1)), "unexpected tensor 'extra'"),
        (
            lambda s: s.update({"first_conv.1.weight": torch.ones(16)}),
            "unexpected tensor 'first_conv.1.weight'",
        ),
        (
            lambda s: s.update({"classifier.0.weight": torch.zeros(1000, 256)}),
            r"classifier.0.weight has the shape \[1000, 256\], not \[10, 256\]",
        ),
        (
            lambda s: s.update({"conv_last.1.running_mean": torch.zeros(256, dtype=torch.long)}),
            "conv_last.1.running_mean has the type torch.int64, not torch.float32",
        ),
        (
            lambda s: s.update({"first_conv.0.weight": [1.0]}),
            r"first_conv.0.weight is not a tensor but \[1.0\]",
        ),
        (lambda s: s.clear(), "a checkpoint of the SPOS release is a dict of tensors"),
    ],
)
def test_wrong_checkpoints_are_named_and_change_nothing(
    tmp_path: Path, tiny_release: Release, spoil: Callable[[dict[str, Any]], object], named: str
) -> None:
    state = state_of(tiny_release)
    spoil(state)
    torch.save({"state_dict": state}, tmp_path / "c.pth.tar")
    supernet = tiny_supernet()
    before = state_of(supernet)
    with pytest.raises(InvalidFile, match=f"^{tmp_path / 'c.pth.tar'}: .*{named}"):
        load_checkpoint(tmp_path / "c.pth.tar", supernet)
    assert all(torch.equal(tensor, before[name]) for name, tensor in supernet.state_dict().items())


def test_files_that_hold_code_or_nothing_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.pth.tar"
    torch.save({"state_dict": Path("x")}, path)
    with pytest.raises(
        InvalidFile, match=f"^{path}: not a checkpoint that torch reads with weights_only"
    ):
        load_checkpoint(path, tiny_supernet())
    for content in (b"", b"nothing", b"PK\x03\x04"):
        path.write_bytes(content)
        with pytest.raises(InvalidFile, match=f"^{path}: not a checkpoint"):
            load_checkpoint(path, tiny_supernet())
    with pytest.raises(InvalidFile, match=r"^cannot read .*missing: No such file"):
        load_checkpoint(tmp_path / "missing", tiny_supernet())
    torch.save([1, 2], path)
    with pytest.raises(InvalidFile, match="a checkpoint of the SPOS release is a dict of tensors"):
        load_checkpoint(path, tiny_supernet())


def test_checkpoint_of_another_depth_is_refused(tmp_path: Path, tiny_release: Release) -> None:
    save_checkpoint(spaces.get("spos-tiny", repeats=(2, 2, 1)).supernet(), tmp_path / "c.pth.tar")
    with pytest.raises(
        InvalidFile, match=r"the tensor 'features.5.0.branch_main.0.weight' is missing"
    ):
        load_checkpoint(tmp_path / "c.pth.tar", tiny_supernet())


def test_supernets_of_other_spaces_are_refused() -> None:
    supernet = tiny_supernet()
    supernet.space = spaces.ChainSpace(
        "other",
        [
            part
            if isinstance(part, spaces.Block)
            else spaces.ChoiceLayer(part.key, {"a": part.candidates["k3"]})
            for part in supernet.space.layout
        ],
        (3, 32, 32),
        10,
        lambda classes: supernet.space.layout[-1],
        lambda: None,
    )
    with pytest.raises(InvalidArchitecture, match="are for its space, not for other"):
        release_state(supernet)

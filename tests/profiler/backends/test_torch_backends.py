"""Torch backends: networks that are no chains, memory layouts, the compiler, memory of
activations.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import spaces
from profiler import Settings
from profiler import build as build_table
from profiler.backends.base import Conditions, MeasuresMemory
from profiler.backends.hooked import HookedRunner
from profiler.backends.live_tensors import live_tensor_bytes
from profiler.backends.registry import make_backend
from profiler.backends.torch_compile import TorchCompile
from profiler.backends.torch_eager import CpuRunner, TorchEager
from profiler.errors import UnsupportedConditions
from spaces import Block, ChainSpace
from spaces.modules.blocks import build
from tables import LookupTable


class Wait(nn.Module):
    """Takes a known time."""

    def __init__(self, ms: float):
        super().__init__()
        self.ms = ms

    def forward(self, x: Tensor) -> Tensor:
        time.sleep(self.ms / 1e3)
        return x + 1


class Cell(nn.Module):
    """Calls its blocks in an order of its own: the third first, the first twice, the last never."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(map(Wait, (4, 12, 8, 1)))

    def forward(self, x: Tensor) -> Tensor:
        first, second, third, _ = self.blocks
        result: Tensor = second(third(x) + first(first(x)))
        return result


class CellSpace:
    """The members of a space that a runner needs."""

    name = "cells"
    is_chain = False
    blocks_are_modules = True

    def wired_blocks(self, architecture: Any) -> None:
        return None

    def network(self, architecture: Any) -> Cell:
        return Cell()

    def input_shape_of(self, architecture: Any) -> tuple[int, int, int]:
        return (1, 2, 2)

    def random_input(self, architecture: Any, batch: int, generator: torch.Generator) -> Any:
        return torch.randn(batch, *self.input_shape_of(architecture), generator=generator)


def test_blocks_of_a_cell_are_timed_wherever_they_are_called() -> None:
    space: Any = CellSpace()
    runner = TorchEager("cpu").network_runner(space, space)
    assert isinstance(runner, HookedRunner)
    times = np.min([runner.blocks() for _ in range(20)], axis=0)
    assert times[:3] == pytest.approx([8, 12, 8], rel=0.3)
    assert times[3] == 0
    whole = min(runner.whole() for _ in range(20))
    assert whole == pytest.approx(28, rel=0.3)
    # Nothing is left behind in the modules.
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in runner.modules)


def test_hooks_and_chains_time_alike(tiny: ChainSpace) -> None:
    architecture = tiny.architecture([0, 1, 2, 3, 0, 1])
    backend = TorchEager("cpu")
    chain = backend.network_runner(tiny, architecture)
    assert isinstance(chain, CpuRunner)
    hooked = HookedRunner(nn.Sequential(*chain.modules), chain.modules, chain.image)
    assert len(hooked.blocks()) == len(chain.blocks())
    for _ in range(20):
        hooked.blocks(), chain.blocks()
    pairs = [(sum(hooked.blocks()), sum(chain.blocks())) for _ in range(60)]
    first, second = np.median(pairs, axis=0)
    assert first == pytest.approx(second, rel=0.5)


def test_channels_last_changes_the_layout_alone(tiny: ChainSpace) -> None:
    architecture = tiny.architecture([0, 3, 1, 2, 0, 3])
    results = []
    for name in ("torch", "torch-channels-last"):
        runner = make_backend(name, Conditions("cpu", batch=2, seed=1)).network_runner(
            tiny, architecture
        )
        assert isinstance(runner, CpuRunner)
        x = runner.image
        assert x.is_contiguous(memory_format=torch.channels_last) is (name == "torch-channels-last")
        with torch.inference_mode():
            for module in runner.modules:
                x = module(x)
        results.append(x)
    assert torch.allclose(*results, rtol=1e-3, atol=1e-2 * float(results[0].abs().max()))


@pytest.mark.slow
def test_compiled_blocks_compute_the_same() -> None:
    space = spaces.get("spos-tiny", repeats=(1, 1, 1), input_size=16)
    assert isinstance(space, ChainSpace)
    architecture = space.architecture([0, 0, 0])
    compiled = TorchCompile("cpu", seed=2).network_runner(space, architecture)
    plain = TorchEager("cpu", seed=2).network_runner(space, architecture)
    assert isinstance(compiled, CpuRunner)
    assert isinstance(plain, CpuRunner)
    x = y = plain.image
    with torch.inference_mode():
        for one, other in zip(compiled.modules, plain.modules, strict=True):
            x, y = one(x), other(y)
    assert torch.allclose(x, y, rtol=1e-3, atol=1e-3 * float(y.abs().max()))
    assert compiled.whole() > 0
    assert len(compiled.blocks()) == 6


def test_cells_are_not_compiled() -> None:
    space: Any = CellSpace()
    space.name = "cells"
    with pytest.raises(
        UnsupportedConditions, match="torch-compile runs chains of blocks; cells is none; use torch"
    ):
        TorchCompile("cpu").network_runner(space, space)


@pytest.mark.parametrize(
    ("key", "tensors"),
    [
        # The input with the convolution's output, then that with its normalised copy; the
        # activation is in place.
        ("conv k1 s1 relu 4x8x8 -> 16x8x8", (4 + 16, 16 + 16)),
        ("conv k1 s1 relu 64x8x8 -> 4x8x8", (64 + 4, 64 + 4 + 4)),
    ],
)
def test_live_tensors_are_counted(key: str, tensors: tuple[int, ...]) -> None:
    block = Block.from_key(key)
    image = torch.randn(2, *block.input)
    found = live_tensor_bytes(build(block).eval(), image)
    # The module's input is held by its caller all along.
    assert found in (max(tensors) * 2 * 64 * 4, (max(tensors) + block.input[0]) * 2 * 64 * 4)


def test_views_count_once_and_the_freed_no_more() -> None:
    class Views(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x.view(-1).view(4, 4)
            for _ in range(5):
                y = y + 1
            return y

    # The input, and of the sums the last and the one before.
    assert live_tensor_bytes(Views(), torch.zeros(16)) == 3 * 16 * 4


def test_weights_are_no_activations() -> None:
    # Input, features joined over the image, logits: the weights' transposed view is none of them.
    block = Block.from_key("classifier 8x2x2 -> 1000")
    found = live_tensor_bytes(build(block).eval(), torch.randn(1, *block.input))
    assert found <= 4 * (2 * 8 * 2 * 2 + 8 + 2 * 1000) < 4 * 8 * 1000


@pytest.mark.parametrize(
    "name", ["spos-tiny", "nasbench-macro", "ofa-mobilenetv3(resolutions=(64,))"]
)
def test_a_network_of_a_chain_holds_what_its_largest_block_does(name: str) -> None:
    """What `memory_bytes` of `tables` rests on."""
    space, backend = spaces.get(name), TorchEager("cpu")
    for architecture in space.decode(space.sample(np.random.default_rng(4), 4)):
        network = space.network(architecture).eval()
        largest = max(map(backend.activation_bytes, space.blocks(architecture)[1:]))
        image = torch.randn(1, *space.input_shape_of(architecture))
        # The image is held by the caller all along.
        first = backend.activation_bytes(space.blocks(architecture)[0])
        assert live_tensor_bytes(network, image) == max(largest + image.nbytes, first)


def test_memory_grows_with_the_batch(tiny: ChainSpace) -> None:
    block = list(tiny.all_blocks.values())[1]
    small, large = (TorchEager("cpu", batch=batch) for batch in (1, 4))
    assert isinstance(small, MeasuresMemory)
    assert small.memory == "live tensors"
    assert large.activation_bytes(block) == 4 * small.activation_bytes(block)
    least = 4 * (np.prod(block.input) + np.prod(block.output))
    assert small.activation_bytes(block) >= least


def test_a_chain_stays_one_at_any_resolution() -> None:
    space = spaces.get("ofa-mobilenetv3", resolutions=(32, 64))
    architecture = space.decode(space.sample(np.random.default_rng(3), 1))[0]
    runner = TorchEager("cpu").network_runner(space, architecture)
    assert isinstance(runner, CpuRunner)
    assert tuple(runner.image.shape[1:]) == space.input_shape_of(architecture)
    assert len(runner.modules) == len(space.blocks(architecture))


@pytest.mark.parametrize("name", ["nasbench201", "darts"])
def test_cells_are_measured_block_by_block(name: str) -> None:
    space = spaces.get(name)
    architecture = space.decode(space.sample(np.random.default_rng(4), 1))[0]
    runner = TorchEager("cpu").network_runner(space, architecture)
    assert isinstance(runner, HookedRunner)
    blocks = space.blocks(architecture)
    times = runner.blocks()
    assert len(times) == len(blocks)
    assert min(times) > 0
    least = min(sum(runner.blocks()) / runner.whole() for _ in range(3))
    assert 0.3 < least < 2


@pytest.mark.slow
def test_a_table_of_cells_is_built_and_estimates(tmp_path: Path) -> None:
    space = spaces.get("nasbench201")
    conditions = {"backend": "torch", "batch": 1, "precision": "fp32", "threads": 1}
    device = {"kind": "cpu", "processor": "this"}
    settings = Settings(budget_s=0.1, fewest_networks=1)
    table = build_table(
        space, TorchEager("cpu"), settings, name="cells", device=device, conditions=conditions
    )
    table.save(tmp_path / "cells.json")
    model = LookupTable.read(tmp_path / "cells.json").cost_model(space)
    least, greatest = model.bounds()
    assert least.value < greatest.value
    assert model.sigma is not None

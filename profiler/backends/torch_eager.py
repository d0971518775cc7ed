"""Torch as most people run it: eager, in inference mode, on the processor or on CUDA."""

from __future__ import annotations

import itertools
import platform
import time
from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor, nn

from profiler.backends.base import Conditions, Runner, chain_blocks
from profiler.backends.hooked import HookedCudaRunner, HookedRunner
from profiler.backends.live_tensors import cuda_peak_bytes, live_tensor_bytes
from profiler.errors import DeviceOutOfMemory, UnsupportedConditions
from spaces.architecture import Architecture
from spaces.block import Block
from spaces.modules.blocks import build
from spaces.modules.network import materialise
from spaces.space import SearchSpace

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class TorchEager:
    """Runs networks of torch modules.

    Modules are kept by (place in the network, block): a space's networks share them, so that
    sampling hundreds of networks builds each candidate once, as a supernet does.

    Args:
        device: torch's name of the device.
        batch: images at a time.
        precision: fp32, fp16 or bf16.
        seed: of the weights and the input.
        channels_last: whether the channels of a pixel lie side by side in memory.

    Raises:
        UnsupportedConditions: torch has no such precision.
    """

    times_blocks = True
    chains_only = False
    """Whether only networks that are chains of blocks can be run."""

    def __init__(
        self,
        device: str,
        batch: int = 1,
        precision: str = "fp32",
        seed: int = 0,
        channels_last: bool = False,
    ):
        if precision not in DTYPES:
            raise UnsupportedConditions(
                f"torch runs {', '.join(DTYPES)}, not {precision}; int8 needs onnxruntime"
            )
        self.device, self.batch = torch.device(device), batch
        self.dtype, self.seed = DTYPES[precision], seed
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.name = "torch-channels-last" if channels_last else "torch"
        self.memory = "cuda peak allocated" if self.device.type == "cuda" else "live tensors"
        self._modules: dict[tuple[int, str], nn.Module] = {}
        self._inputs: dict[tuple[int, ...], Tensor] = {}

    @classmethod
    def of(cls, conditions: Conditions) -> Self:
        """The backend under conditions."""
        return cls(conditions.device, conditions.batch, conditions.precision, conditions.seed)

    def network_runner(self, space: SearchSpace, architecture: Architecture) -> Runner:
        """A runner for an architecture's network.

        Raises:
            DeviceOutOfMemory: the device cannot hold it.
            UnsupportedConditions: this backend runs chains of blocks only, and the space's networks
                are none.
        """
        blocks = chain_blocks(space, architecture)
        if blocks is not None:
            return self.runner(blocks)
        if self.chains_only:
            raise UnsupportedConditions(
                f"{self.name} runs chains of blocks; {space.name} is none; use torch"
            )
        network = space.network(architecture)
        with torch.no_grad():
            unit_variance(network, torch.Generator().manual_seed(self.seed))
        try:
            network = self._placed(network)
            image = self._input(space.input_shape_of(architecture))
        except torch.cuda.OutOfMemoryError as error:
            raise _out_of_memory(self.device, self.batch) from error
        kind = HookedCudaRunner if self.device.type == "cuda" else HookedRunner
        return kind(network, list(network.blocks), image)  # type: ignore[arg-type]

    def renew(self) -> None:
        """Forget the modules: runners made from now on have fresh ones, elsewhere in memory."""
        self._modules.clear()

    def activation_bytes(self, block: Block) -> int:
        """Most bytes of activations held at once while the block runs, its input among them; see
        `memory`.
        """
        module, image = self._module(0, block), self._input(block.input)
        return (cuda_peak_bytes if self.device.type == "cuda" else live_tensor_bytes)(module, image)

    def runner(self, blocks: Sequence[Block]) -> Runner:
        """A runner for a network of these blocks.

        Raises:
            DeviceOutOfMemory: the device cannot hold it.
        """
        try:
            modules = [self._module(place, block) for place, block in enumerate(blocks)]
            image = self._input(blocks[0].input)
        except torch.cuda.OutOfMemoryError as error:
            raise _out_of_memory(self.device, self.batch) from error
        return (
            CudaRunner(modules, image) if self.device.type == "cuda" else CpuRunner(modules, image)
        )

    def module_runner(self, module: nn.Module, input_shape: tuple[int, ...]) -> Runner:
        """A runner for any module, whose only block is itself."""
        module = self._placed(module)
        image = self._input(input_shape)
        return (
            CudaRunner([module], image)
            if self.device.type == "cuda"
            else CpuRunner([module], image)
        )

    def versions(self) -> Mapping[str, str]:
        """Python, torch, and CUDA where it runs."""
        found = {"python": platform.python_version(), "torch": str(torch.__version__)}
        if self.device.type == "cuda":
            cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
            found |= {"cuda": str(torch.version.cuda), "cudnn": str(cudnn)}
        return found

    def _placed(self, module: nn.Module) -> nn.Module:
        module = module.eval().to(self.device, self.dtype)
        return module.to(memory_format=self.layout)  # type: ignore[call-overload,no-any-return]

    def _module(self, place: int, block: Block) -> nn.Module:
        key = (place, block.key)
        if key not in self._modules:
            generator = torch.Generator().manual_seed(self.seed + place)
            module = materialise(lambda: build(block), unit_variance, generator)
            self._modules[key] = self._placed(module)
        return self._modules[key]

    def _input(self, shape: tuple[int, ...]) -> Tensor:
        if shape not in self._inputs:
            generator = torch.Generator().manual_seed(self.seed)
            image = torch.randn(self.batch, *shape, generator=generator)
            image = image.to(self.device, self.dtype)
            self._inputs[shape] = (
                image.contiguous(memory_format=self.layout) if image.dim() == 4 else image
            )
        return self._inputs[shape]


def channels_last(conditions: Conditions) -> TorchEager:
    """The backend with the channels of a pixel side by side in memory, as some processors and GPUs
    prefer.
    """
    return TorchEager(
        conditions.device, conditions.batch, conditions.precision, conditions.seed, True
    )


def unit_variance(module: nn.Module, generator: torch.Generator) -> None:
    """He initialisation: activations keep their size through any depth.

    With a release's own initialisation they shrink to denormal numbers, which processors multiply
    many times slower.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight, generator=generator)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.BatchNorm2d) and part.affine:
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)


class CpuRunner:
    """Wall-clock times; torch on the processor returns when it is done."""

    def __init__(self, modules: Sequence[nn.Module], image: Tensor):
        self.modules, self.image = list(modules), image

    @torch.inference_mode()
    def whole(self) -> float:
        """The time of one run, in milliseconds."""
        x = self.image
        begin = time.perf_counter_ns()
        for module in self.modules:
            x = module(x)
        return (time.perf_counter_ns() - begin) / 1e6

    @torch.inference_mode()
    def blocks(self) -> list[float]:
        """The blocks' times within one run, in milliseconds."""
        x, clock = self.image, time.perf_counter_ns
        marks = [clock()]
        for module in self.modules:
            x = module(x)
            marks.append(clock())
        return [(after - before) / 1e6 for before, after in itertools.pairwise(marks)]


class CudaRunner:
    """Times by CUDA events; the device is waited for once a run, never between blocks."""

    def __init__(self, modules: Sequence[nn.Module], image: Tensor):
        self.modules, self.image = list(modules), image

    @torch.inference_mode()
    def whole(self) -> float:
        """The time of one run from launch to end, in milliseconds; no events, since batch 1 is
        bound by launches.
        """
        x = self.image
        torch.cuda.synchronize(self.image.device)
        begin = time.perf_counter_ns()
        try:
            for module in self.modules:
                x = module(x)
            torch.cuda.synchronize(self.image.device)
        except torch.cuda.OutOfMemoryError as error:
            raise _out_of_memory(self.image.device, len(self.image)) from error
        return (time.perf_counter_ns() - begin) / 1e6

    @torch.inference_mode()
    def blocks(self) -> list[float]:
        """The blocks' times within one run, in milliseconds."""
        events = [torch.cuda.Event(enable_timing=True) for _ in (None, *self.modules)]  # type: ignore[no-untyped-call]
        x = self.image
        try:
            events[0].record()
            for module, event in zip(self.modules, events[1:], strict=True):
                x = module(x)
                event.record()
            torch.cuda.synchronize(self.image.device)
        except torch.cuda.OutOfMemoryError as error:
            raise _out_of_memory(self.image.device, len(self.image)) from error
        return [float(before.elapsed_time(after)) for before, after in itertools.pairwise(events)]


def _out_of_memory(device: torch.device, batch: int) -> DeviceOutOfMemory:
    return DeviceOutOfMemory(f"{device} ran out of memory at batch {batch}; try a smaller --batch")

"""Torch in eager and inference mode, on the processor or on CUDA."""

from __future__ import annotations

import itertools
import platform
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from profiler.backends.base import Conditions, Runner, chain_blocks
from profiler.backends.hooked import HookedCudaRunner, HookedRunner
from profiler.backends.live_tensors import cuda_peak_bytes, live_tensor_bytes
from profiler.errors import DeviceOutOfMemory, UnsupportedConditions
from spaces.architecture import Architecture
from spaces.block import Block
from spaces.heads.attached import WiredBlocks
from spaces.modules.blocks import build
from spaces.modules.nested import mapped
from spaces.modules.network import materialise
from spaces.space import SearchSpace
from spaces.threads import running_threads

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class TorchEager:
    """Runs networks of torch modules.

    A space's networks share modules by (position in the network, block), so that each candidate is
    built once for hundreds of sampled networks, as in a supernet.

    Args:
        device: Torch's name of the device.
        batch: Batch size.
        precision: Precision of the numbers: fp32, fp16 or bf16.
        seed: Seed of the weights and the input.
        channels_last: Whether the channels of a pixel are adjacent in memory.

    Raises:
        UnsupportedConditions: The backend does not support the precision.
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

        self.device = torch.device(device)
        self.batch = batch
        self.dtype = DTYPES[precision]
        self.seed = seed
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.name = "torch-channels-last" if channels_last else "torch"
        self.memory = "cuda peak allocated" if self.device.type == "cuda" else "live tensors"
        self._modules: dict[tuple[int, str], nn.Module] = {}
        self._inputs: dict[tuple[str | int, ...], Any] = {}

    @classmethod
    def from_conditions(cls, conditions: Conditions) -> Self:
        """Return the backend under conditions."""
        return cls(conditions.device, conditions.batch, conditions.precision, conditions.seed)

    def network_runner(self, space: SearchSpace, architecture: Architecture) -> Runner:
        """Return a runner of an architecture's network.

        Raises:
            DeviceOutOfMemory: The device cannot hold it.
            UnsupportedConditions: This backend runs chains of blocks only, and the space's networks
                are none.
        """
        blocks = chain_blocks(space, architecture)
        if blocks is not None:
            return self.runner(blocks, self._network_input(space, architecture))
        wired = space.wired_blocks(architecture)
        if self.chains_only:
            raise UnsupportedConditions(
                f"{self.name} runs chains of blocks; {space.name} is none; use torch"
            )

        if wired is not None:
            return self._wired_runner(wired)

        network = space.network(architecture)
        with torch.no_grad():
            # Random weights shrink or explode the values in deep networks; denormal ones would be
            # slow.
            unit_variance(network, torch.Generator().manual_seed(self.seed))

        try:
            network = self._placed(network)
            inputs = self._network_input(space, architecture)
        except torch.cuda.OutOfMemoryError as error:
            raise _out_of_memory(self.device, self.batch) from error

        kind = HookedCudaRunner if self.device.type == "cuda" else HookedRunner
        modules: list[nn.Module] = []
        if space.blocks_are_modules:
            modules = list(network.blocks)  # type: ignore[arg-type]
        return kind(network, modules, inputs)

    def renew(self) -> None:
        """Forget the modules, so that new runners get rebuilt ones, elsewhere in memory."""
        self._modules.clear()

    def activation_bytes(self, block: Block) -> int:
        """Return the most bytes of activations held at once while the block runs.

        Its input is among them; `memory` names the kind of measurement.
        """
        module = self._module(0, block)
        image = self._input(block.input)
        measure = cuda_peak_bytes if self.device.type == "cuda" else live_tensor_bytes
        return measure(module, image)

    def runner(self, blocks: Sequence[Block], inputs: Any = None) -> Runner:
        """Return a runner of a network of these blocks.

        Args:
            blocks: Blocks, each of which reads the previous one.
            inputs: Input of the first block. None: random images.

        Raises:
            DeviceOutOfMemory: The device cannot hold it.
        """
        try:
            modules = [self._module(position, block) for position, block in enumerate(blocks)]
            image = self._input(blocks[0].input) if inputs is None else inputs
        except torch.cuda.OutOfMemoryError as error:
            raise _out_of_memory(self.device, self.batch) from error

        kind = CudaRunner if self.device.type == "cuda" else CpuRunner
        return kind(modules, image)

    def _wired_runner(self, wired: WiredBlocks) -> Runner:
        """Return a runner of a network with a head, whose modules are shared as those of chains."""
        positions = itertools.count()
        try:
            modules = [
                [self._module(next(positions), block) for block in blocks]
                for blocks in wired.blocks
            ]
            image = self._input(wired.wiring.shapes[0])
        except torch.cuda.OutOfMemoryError as error:
            raise _out_of_memory(self.device, self.batch) from error

        network = wired.network(modules).eval()
        kind = HookedCudaRunner if self.device.type == "cuda" else HookedRunner
        return kind(network, list(network.blocks), image)

    def executed(self) -> Mapping[str, Any]:
        """Return the number of threads that torch runs with."""
        return {"threads": running_threads()}

    def versions(self) -> Mapping[str, str]:
        """Return the versions of Python, torch, and CUDA where it runs."""
        versions = {"python": platform.python_version(), "torch": str(torch.__version__)}
        if self.device.type == "cuda":
            cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
            versions |= {"cuda": str(torch.version.cuda), "cudnn": str(cudnn)}

        return versions

    def _placed(self, module: nn.Module) -> nn.Module:
        module = module.eval().to(self.device, self.dtype)
        return module.to(memory_format=self.layout)  # type: ignore[call-overload,no-any-return]

    def _module(self, position: int, block: Block) -> nn.Module:
        key = (position, block.key)
        if key not in self._modules:
            generator = torch.Generator().manual_seed(self.seed + position)
            module = materialise(lambda: build(block), unit_variance, generator)
            self._modules[key] = self._placed(module)

        return self._modules[key]

    def _input(self, shape: tuple[int, ...]) -> Any:
        if shape not in self._inputs:
            generator = torch.Generator().manual_seed(self.seed)
            self._inputs[shape] = self._placed_input(
                torch.randn(self.batch, *shape, generator=generator)
            )
        return self._inputs[shape]

    def _network_input(self, space: SearchSpace, architecture: Architecture) -> Any:
        """Return the inputs of a network, which need not be images: tokens, or several tensors."""
        key = (space.name, *space.input_shape_of(architecture))
        # The shapes of a cache depend on the whole architecture.
        if key not in self._inputs or space.phases:
            generator = torch.Generator().manual_seed(self.seed)
            inputs = space.random_input(architecture, self.batch, generator)
            self._inputs[key] = mapped(inputs, self._placed_input)

        return self._inputs[key]

    def _placed_input(self, image: Tensor) -> Tensor:
        # Integers, such as the tokens of a text, have no precision.
        image = image.to(self.device, self.dtype if image.is_floating_point() else image.dtype)
        return image.contiguous(memory_format=self.layout) if image.dim() == 4 else image


def channels_last(conditions: Conditions) -> TorchEager:
    """Return the backend with the channels of a pixel adjacent in memory.

    Some processors and GPUs run convolutions faster so.
    """
    return TorchEager(
        conditions.device, conditions.batch, conditions.precision, conditions.seed, True
    )


def unit_variance(module: nn.Module, generator: torch.Generator) -> None:
    """Initialise weights by He et al., so that activations have the same size at any depth.

    With a release's own initialisation they shrink to denormal numbers, which processors multiply
    many times slower.

    Args:
        module: Module to initialise.
        generator: Random generator.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Embedding):
            nn.init.normal_(layer.weight, generator=generator)
        elif isinstance(layer, nn.LayerNorm) or (
            isinstance(layer, nn.BatchNorm2d) and layer.affine
        ):
            nn.init.ones_(layer.weight)
            nn.init.zeros_(layer.bias)


class CpuRunner:
    """Times by the wall clock; torch on the processor returns when it is done."""

    def __init__(self, modules: Sequence[nn.Module], image: Tensor):
        self.modules = list(modules)
        self.image = image

    @torch.inference_mode()
    def whole(self) -> float:
        """Return the latency of one run in milliseconds."""
        x = self.image
        begin = time.perf_counter_ns()
        for module in self.modules:
            x = module(x)
        return (time.perf_counter_ns() - begin) / 1e6

    @torch.inference_mode()
    def blocks(self) -> list[float]:
        """Return the blocks' latencies within one run in milliseconds."""
        x = self.image
        clock = time.perf_counter_ns
        marks = [clock()]
        for module in self.modules:
            x = module(x)
            marks.append(clock())

        return [(after - before) / 1e6 for before, after in itertools.pairwise(marks)]


class CudaRunner:
    """Times blocks by CUDA events, with one synchronisation per run, none between blocks."""

    def __init__(self, modules: Sequence[nn.Module], image: Tensor):
        self.modules = list(modules)
        self.image = image

    @torch.inference_mode()
    def whole(self) -> float:
        """Return the latency of one run from launch to end in milliseconds.

        It is timed without events, because small batches are bound by launches.
        """
        x = self.image

        # Kernels still running from earlier would be counted.
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
        """Return the blocks' latencies within one run in milliseconds."""
        events = [torch.cuda.Event(enable_timing=True) for _ in (None, *self.modules)]  # type: ignore[no-untyped-call]
        x = self.image
        try:
            events[0].record()
            for module, event in zip(self.modules, events[1:], strict=True):
                x = module(x)
                event.record()

            # Events have times only once the device has passed them.
            torch.cuda.synchronize(self.image.device)
        except torch.cuda.OutOfMemoryError as error:
            raise _out_of_memory(self.image.device, len(self.image)) from error

        return [float(before.elapsed_time(after)) for before, after in itertools.pairwise(events)]


def _out_of_memory(device: torch.device, batch: int) -> DeviceOutOfMemory:
    return DeviceOutOfMemory(f"{device} ran out of memory at batch {batch}; try a smaller --batch")

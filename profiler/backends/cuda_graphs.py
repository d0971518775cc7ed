"""Torch on CUDA with networks replayed as graphs, without the launches that bind small batches."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from profiler.backends.base import Runner
from profiler.backends.torch_eager import CudaRunner, TorchEager
from profiler.errors import UnsupportedConditions
from spaces.block import Block


class CudaGraphs(TorchEager):
    """Captures whole networks once and replays them; block costs are solved from the latencies."""

    times_blocks = False
    chains_only = True

    def __init__(self, device: str, batch: int = 1, precision: str = "fp32", seed: int = 0):
        if torch.device(device).type != "cuda":
            raise UnsupportedConditions(f"torch-cuda-graphs needs a CUDA device, not {device}")
        super().__init__(device, batch, precision, seed)
        self.name = "torch-cuda-graphs"

    def runner(self, blocks: Sequence[Block], inputs: Any = None) -> Runner:
        """Return a runner of a network of these blocks; raises DeviceOutOfMemory."""
        runner = super().runner(blocks, inputs)
        assert isinstance(runner, CudaRunner)
        return GraphRunner(runner.modules, runner.image)


class GraphRunner(CudaRunner):
    """Replays a captured network.

    Args:
        modules: The network's blocks.
        image: The input.
    """

    def __init__(self, modules: Sequence[nn.Module], image: Tensor):
        super().__init__(modules, image)

        # Capturing needs a side stream on which everything has run before.
        stream = torch.cuda.Stream(image.device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(image.device))
        with torch.cuda.stream(stream), torch.inference_mode():
            for _ in range(3):
                self._run()

        torch.cuda.current_stream(image.device).wait_stream(stream)
        # The result is kept, since the graph writes to its memory at every replay.
        self.graph = torch.cuda.CUDAGraph()
        with torch.inference_mode(), torch.cuda.graph(self.graph):
            self.result = self._run()

    def _run(self) -> Tensor:
        x = self.image
        for module in self.modules:
            x = module(x)
        return x

    def whole(self) -> float:
        """Return the latency of one replay from launch to end in milliseconds."""
        torch.cuda.synchronize(self.image.device)
        begin = time.perf_counter_ns()
        self.graph.replay()
        torch.cuda.synchronize(self.image.device)
        return (time.perf_counter_ns() - begin) / 1e6

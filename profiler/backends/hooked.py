"""Times of blocks inside networks that are no chains: hooks before and behind each block."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn


class HookedRunner:
    """Runs any network whose `blocks[i]` computes the i-th block, in whatever order it calls them.

    A block that runs more than once gets the sum of its times; one that does not run gets 0.

    Args:
        network: in evaluation mode, on its device.
        blocks: its blocks.
        image: the input.
    """

    def __init__(self, network: nn.Module, blocks: Sequence[nn.Module], image: Tensor):
        self.network, self.parts, self.image = network, list(blocks), image

    @torch.inference_mode()
    def whole(self) -> float:
        """The time of one run without hooks, in milliseconds."""
        self._wait()
        begin = time.perf_counter_ns()
        self.network(self.image)
        self._wait()
        return (time.perf_counter_ns() - begin) / 1e6

    @torch.inference_mode()
    def blocks(self) -> list[float]:
        """The blocks' times within one run, in milliseconds."""
        marks: list[list[Any]] = [[] for _ in self.parts]
        mark = self._mark
        handles = []
        for index, part in enumerate(self.parts):
            series = marks[index]
            handles.append(part.register_forward_pre_hook(_before(series, mark)))
            handles.append(part.register_forward_hook(_behind(series, mark)))
        try:
            self.network(self.image)
            self._wait()
        finally:
            for handle in handles:
                handle.remove()
        return [
            sum(self._between(begin, end) for begin, end in zip(series[::2], series[1::2], strict=True))
            for series in marks
        ]

    def _mark(self) -> Any:
        return time.perf_counter_ns()

    def _between(self, begin: Any, end: Any) -> float:
        return float(end - begin) / 1e6

    def _wait(self) -> None:
        """Torch on the processor returns when it is done."""


class HookedCudaRunner(HookedRunner):
    """The same by CUDA events; the device is waited for once a run."""

    def _mark(self) -> Any:
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    def _between(self, begin: Any, end: Any) -> float:
        return float(begin.elapsed_time(end))

    def _wait(self) -> None:
        torch.cuda.synchronize(self.image.device)


def _before(series: list[Any], mark: Callable[[], Any]) -> Callable[[nn.Module, Any], None]:
    def hook(module: nn.Module, given: Any) -> None:
        series.append(mark())

    return hook


def _behind(series: list[Any], mark: Callable[[], Any]) -> Callable[[nn.Module, Any, Any], None]:
    def hook(module: nn.Module, given: Any, result: Any) -> None:
        series.append(mark())

    return hook

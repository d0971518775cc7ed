"""Timing of blocks within networks that are no chains, by hooks before and after each block."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from spaces.modules.nested import tensors_in


class HookedRunner:
    """Runs any network whose `blocks[i]` computes the i-th block, called in any order.

    The latency of a block excludes that of blocks that it calls. A block that runs more than once
    gets the sum of its latencies; one that does not run gets 0. Of a module that is several blocks,
    the first call counts for the first of them, and so on.

    Args:
        network: Network in evaluation mode, on its device.
        blocks: Its blocks.
        image: Its input: a tensor, or a tuple or dictionary of several.
    """

    def __init__(self, network: nn.Module, blocks: Sequence[nn.Module], image: Any):
        self.network = network
        self.modules = list(blocks)
        self.image = image

    @torch.inference_mode()
    def whole(self) -> float:
        """Return the latency of one run without hooks in milliseconds."""
        self._wait()
        begin = time.perf_counter_ns()
        self.network(self.image)
        self._wait()
        return (time.perf_counter_ns() - begin) / 1e6

    @torch.inference_mode()
    def blocks(self) -> list[float]:
        """Return the blocks' latencies within one run in milliseconds."""
        calls: list[_Call] = []
        running: list[_Call] = []
        handles = []

        # A module that is several blocks gets its hooks once.
        for module in {id(module): module for module in self.modules}.values():
            before = _before_hook(calls, running, self._mark)
            handles.append(module.register_forward_pre_hook(before))
            handles.append(module.register_forward_hook(_after_hook(running, self._mark)))

        try:
            self.network(self.image)
            self._wait()
        finally:
            for handle in handles:
                handle.remove()

        return self._assign(calls)

    def _assign(self, calls: Sequence[_Call]) -> list[float]:
        """Return the blocks' latencies by the calls of their modules."""
        latencies: dict[int, list[float]] = {}
        for call in calls:
            inner = sum(self._between(inner.begin, inner.end) for inner in call.inner)
            # Blocks that this one calls have latencies of their own.
            latency = self._between(call.begin, call.end) - inner
            latencies.setdefault(id(call.module), []).append(latency)

        keys = [id(module) for module in self.modules]
        assigned: list[float] = []
        for index, key in enumerate(keys):
            series = latencies.get(key, [])
            # The last block of a module gets all calls that remain.
            is_last = key not in keys[index + 1 :]
            assigned.append(sum(series) if is_last else sum(series[:1]))
            latencies[key] = [] if is_last else series[1:]

        return assigned

    def _mark(self) -> Any:
        return time.perf_counter_ns()

    def _between(self, begin: Any, end: Any) -> float:
        return float(end - begin) / 1e6

    def _wait(self) -> None:
        """Do nothing: torch on the processor returns when it is done."""


class HookedCudaRunner(HookedRunner):
    """Times blocks by CUDA events, with one synchronisation per run."""

    def _mark(self) -> Any:
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    def _between(self, begin: Any, end: Any) -> float:
        return float(begin.elapsed_time(end))

    def _wait(self) -> None:
        torch.cuda.synchronize(next(tensors_in(self.image)).device)


class _Call:
    """One run of a module, and the runs of blocks that it calls directly."""

    def __init__(self, module: nn.Module):
        self.module = module
        self.inner: list[_Call] = []
        self.begin: Any = None
        self.end: Any = None


def _before_hook(
    calls: list[_Call], running: list[_Call], mark: Callable[[], Any]
) -> Callable[[nn.Module, Any], None]:
    def hook(module: nn.Module, inputs: Any) -> None:
        call = _Call(module)
        if running:
            running[-1].inner.append(call)
        calls.append(call)
        running.append(call)

        # Marked last, so that the bookkeeping is not timed.
        call.begin = mark()

    return hook


def _after_hook(
    running: list[_Call], mark: Callable[[], Any]
) -> Callable[[nn.Module, Any, Any], None]:
    def hook(module: nn.Module, inputs: Any, result: Any) -> None:
        # Marked before anything else, so that the bookkeeping is not timed.
        end = mark()
        running.pop().end = end

    return hook

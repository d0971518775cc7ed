"""Times of blocks inside networks that are no chains: hooks before and behind each block."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn


class HookedRunner:
    """Runs any network whose `blocks[i]` computes the i-th block, in whatever order it calls them.

    A block's time is its own: what blocks inside it take is theirs. A block that runs more than
    once gets the sum of its times; one that does not run gets 0. A module that stands for several
    blocks gives its first call to the first of them, and so on.

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
        """The blocks' own times within one run, in milliseconds."""
        calls: list[_Call] = []
        running: list[_Call] = []
        handles = []
        for part in {id(part): part for part in self.parts}.values():
            handles.append(part.register_forward_pre_hook(_before(calls, running, self._mark)))
            handles.append(part.register_forward_hook(_behind(running, self._mark)))
        try:
            self.network(self.image)
            self._wait()
        finally:
            for handle in handles:
                handle.remove()
        return self._shared(calls)

    def _shared(self, calls: Sequence[_Call]) -> list[float]:
        """The calls' own times, each given to the block that it is a call of."""
        own: dict[int, list[float]] = {}
        for call in calls:
            inside = sum(self._between(inner.begin, inner.end) for inner in call.inner)
            own.setdefault(id(call.module), []).append(self._between(call.begin, call.end) - inside)
        left = [id(part) for part in self.parts]
        times = []
        for index, part in enumerate(left):
            series, last = own.get(part, []), part not in left[index + 1 :]
            times.append(sum(series) if last else sum(series[:1]))
            own[part] = [] if last else series[1:]
        return times

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


class _Call:
    """One run of a module, and the runs of blocks directly inside it."""

    def __init__(self, module: nn.Module):
        self.module, self.inner = module, list[_Call]()
        self.begin: Any = None
        self.end: Any = None


def _before(
    calls: list[_Call], running: list[_Call], mark: Callable[[], Any]
) -> Callable[[nn.Module, Any], None]:
    def hook(module: nn.Module, given: Any) -> None:
        call = _Call(module)
        if running:
            running[-1].inner.append(call)
        calls.append(call)
        running.append(call)
        call.begin = mark()

    return hook


def _behind(running: list[_Call], mark: Callable[[], Any]) -> Callable[[nn.Module, Any, Any], None]:
    def hook(module: nn.Module, given: Any, result: Any) -> None:
        end = mark()
        running.pop().end = end

    return hook

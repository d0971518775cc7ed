"""Peak memory of activations: on the processor by the tensors that are alive, on CUDA by peaks."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the tensors that operations return, until they are freed.

    Views count once. Memory that an operation allocates and frees internally is not counted: this
    is no measurement of the allocator.

    Args:
        module: Module whose parameters and buffers are no activations, nor are views of them.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._alive = 0
        self._holders: dict[int, int] = {}
        weights = (*module.parameters(), *module.buffers())
        self._weights = {tensor.untyped_storage().data_ptr() for tensor in weights}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for item in tree_leaves(result):
            if isinstance(item, Tensor):
                self.hold(item)

        return result

    def hold(self, tensor: Tensor) -> None:
        """Count a tensor from now until it is freed."""
        storage = tensor.untyped_storage()
        key = storage.data_ptr()
        size = storage.nbytes()
        if not key or key in self._weights:
            return

        # Several tensors may be views of one storage: it counts until the last of them is freed.
        if self._holders.get(key, 0) == 0:
            self._alive += size
            self.peak = max(self.peak, self._alive)

        self._holders[key] = self._holders.get(key, 0) + 1
        weakref.finalize(tensor, self._release(key, size))

    def _release(self, key: int, size: int) -> Callable[[], None]:
        def release() -> None:
            self._holders[key] -= 1
            if self._holders[key] == 0:
                self._alive -= size

        return release


@torch.no_grad()
def live_tensor_bytes(module: nn.Module, image: Tensor) -> int:
    """Return the most bytes of activations alive at once while a module runs.

    Args:
        module: The module.
        image: Its input, which is among the activations.
    """
    counter = LiveTensors(module)

    # A copy, because the caller's reference would keep the image alive to the end.
    image = image.clone()
    counter.hold(image)
    with counter:
        module(image)
    return counter.peak


def cuda_peak_bytes(module: nn.Module, image: Tensor) -> int:
    """Return the most bytes that CUDA's allocator held at once while a module ran.

    Args:
        module: The module.
        image: Its input, which is among the activations.
    """
    with torch.inference_mode():
        # A first run, in which libraries allocate their workspaces.
        module(image)
        torch.cuda.synchronize(image.device)
        torch.cuda.reset_peak_memory_stats(image.device)
        before = torch.cuda.memory_allocated(image.device)
        module(image)
        torch.cuda.synchronize(image.device)
        peak = torch.cuda.max_memory_allocated(image.device)

    return int(peak - before + image.untyped_storage().nbytes())

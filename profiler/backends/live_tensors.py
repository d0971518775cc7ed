"""Peak memory of activations on the processor: the tensors that are alive between a module's
operations.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the tensors that operations return, until they are freed; views count
    once.

    What a single operation allocates inside itself is not seen: this is no measurement of the
    allocator.

    Args:
        module: whose own tensors are no activations, also where an operation returns a view of one.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._alive = 0
        self._holders: dict[int, int] = {}
        self._own = {
            own.untyped_storage().data_ptr() for own in (*module.parameters(), *module.buffers())
        }

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
        key, size = storage.data_ptr(), storage.nbytes()
        if not key or key in self._own:
            return
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
    """Most bytes of activations alive at once while `module` runs on `image`, the image among
    them.
    """
    count = LiveTensors(module)
    image = image.clone()
    count.hold(image)
    with count:
        module(image)
    return count.peak


def cuda_peak_bytes(module: nn.Module, image: Tensor) -> int:
    """Most bytes that CUDA's allocator held at once while `module` ran on `image`, the image among
    them.
    """
    with torch.inference_mode():
        module(image)
        torch.cuda.synchronize(image.device)
        torch.cuda.reset_peak_memory_stats(image.device)
        before = torch.cuda.memory_allocated(image.device)
        module(image)
        torch.cuda.synchronize(image.device)
        peak = torch.cuda.max_memory_allocated(image.device)
    return int(peak - before + image.untyped_storage().nbytes())

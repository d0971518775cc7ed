"""Backends by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from profiler.errors import InvalidBackend
from spaces.plugins import Registry

if TYPE_CHECKING:
    from profiler.backends.base import Backend, Conditions
    from tables.lookup_table import LookupTable

Factory: TypeAlias = "Callable[[Conditions], Backend]"
"""Makes a backend for its conditions; raises UnsupportedConditions for those it cannot meet."""

BACKENDS = Registry[Factory](
    "backend",
    "pathfit.backends",
    {
        "torch": "profiler.backends.torch_eager:TorchEager.from_conditions",
        "torch-channels-last": "profiler.backends.torch_eager:channels_last",
        "torch-compile": "profiler.backends.torch_compile:TorchCompile.from_conditions",
        "torch-cuda-graphs": "profiler.backends.cuda_graphs:CudaGraphs.from_conditions",
        "onnxruntime": "profiler.backends.onnxruntime_session:OnnxRuntime.from_conditions",
        "onnxruntime-cuda": "profiler.backends.onnxruntime_session:cuda",
        "onnxruntime-tensorrt": "profiler.backends.onnxruntime_session:tensorrt",
        "openvino": "profiler.backends.openvino_model:OpenVino.from_conditions",
        "executorch": "profiler.backends.executorch_model:ExecuTorch.from_conditions",
        "litert": "profiler.backends.litert_model:LiteRt.from_conditions",
        "ncnn": "profiler.backends.ncnn_model:Ncnn.from_conditions",
    },
    broken=InvalidBackend,
)
"""Name -> function that makes the backend for its conditions."""

F = TypeVar("F", bound=Factory)


def register_backend(name: str) -> Callable[[F], F]:
    """Return a decorator that registers a Backend class, or a function that makes a Backend.

    Args:
        name: Name of the backend; it can be taken once.

    Example:
        >>> from profiler import make_backend, register_backend
        >>> from profiler.backends.registry import BACKENDS
        >>> with BACKENDS.preserved():
        ...     @register_backend("mine")
        ...     def mine(conditions):
        ...         return make_backend("torch", conditions)
        ...     "mine" in BACKENDS
        True
    """
    return BACKENDS.register(name)


def available() -> list[str]:
    """Return the sorted names of all backends."""
    return sorted(BACKENDS)


def factory(name: str) -> Factory:
    """Return the factory of a backend.

    Raises:
        UnknownName: No backend has this name; the message lists those that exist.
        InvalidBackend: The plug-in cannot be loaded, or is not callable.
    """
    backend_factory = BACKENDS.get(name)

    # A plug-in's entry point may name anything.
    if not callable(backend_factory):
        raise InvalidBackend(f"the backend {name!r} is {backend_factory!r}, which cannot be called")
    return backend_factory


def make_backend(name: str, conditions: Conditions) -> Backend:
    """Make the backend of a name; raises like `factory` and the backend itself.

    Args:
        name: Name of the backend.
        conditions: Device, batch, precision and threads that networks run with.

    Example:
        >>> from profiler import Conditions, make_backend
        >>> make_backend("torch", Conditions(device="cpu")).name
        'torch'
    """
    return factory(name)(conditions)


def make_backend_of(table: LookupTable, device: str) -> Backend:
    """Make the backend that a table was built with, under its conditions, so latencies compare.

    Args:
        table: Table that was measured.
        device: Name of the device for torch, such as `cpu`.

    Raises:
        UnknownName: No backend has the recorded name.
    """
    from profiler.backends.base import Conditions

    recorded = table.conditions
    conditions = Conditions(
        device,
        int(recorded["batch"]),
        str(recorded["precision"]),
        int(recorded["threads"]),
        table.seed,
    )
    return make_backend(str(recorded["backend"]), conditions)

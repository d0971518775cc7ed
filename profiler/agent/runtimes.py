"""The runtimes that an agent can measure with."""

from __future__ import annotations

from importlib import import_module

from profiler.agent.exported import has_torch
from profiler.agent.exporting import BACKENDS as EXPORTED
from profiler.backends.base import Conditions
from profiler.backends.registry import BACKENDS, available, make_backend
from profiler.errors import InvalidBackend
from profiler.instruments.devices import Device
from spaces.errors import PathfitError


def usable_backends(
    requested: tuple[str, ...] | None, device: Device, threads: int
) -> tuple[str, ...]:
    """Return the names of the backends that run on a device.

    Args:
        requested: Names that the user requests. None: all that run here.
        device: The device.
        threads: Number of threads on the processor.

    Raises:
        PathfitError: A requested backend does not exist or does not run here.
        InvalidBackend: None runs here.
    """
    conditions = Conditions(device.torch_name, threads=threads)
    if requested is not None:
        for name in requested:
            if not _runs_exported(name):
                make_backend(name, conditions)
        return requested

    names = []
    for name in available():
        try:
            BACKENDS.get(name)(conditions)
        # A runtime may lack a package, or refuse the device.
        except (PathfitError, ImportError):
            if not _runs_exported(name):
                continue
        names.append(name)
    if not names:
        raise InvalidBackend(
            f"no runtime runs here; install torch, or onnx with {' or '.join(EXPORTED)}"
        )
    return tuple(names)


def _runs_exported(name: str) -> bool:
    """Return whether a backend runs networks of blocks that the service exports, without torch."""
    if name not in EXPORTED or has_torch():
        return False
    try:
        import_module(name)
        import_module("onnx")
    except ImportError:
        return False
    return True

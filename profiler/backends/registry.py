"""Backends by name: those of Pathfit, and plug-ins by the entry point group `pathfit.backends`."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable
from typing import TypeAlias

from profiler.backends.base import Backend, Conditions
from profiler.errors import InvalidBackend
from spaces.errors import UnknownName

Factory: TypeAlias = Callable[[Conditions], Backend]
"""Makes a backend for its conditions; raises UnsupportedConditions for those that it cannot
meet.
"""

GROUP = "pathfit.backends"

BUILT_IN = {
    "torch": "profiler.backends.torch_eager:TorchEager.of",
    "torch-channels-last": "profiler.backends.torch_eager:channels_last",
    "torch-compile": "profiler.backends.torch_compile:TorchCompile.of",
    "torch-cuda-graphs": "profiler.backends.cuda_graphs:CudaGraphs.of",
    "onnxruntime": "profiler.backends.onnxruntime_session:OnnxRuntime.of",
}
"""Name -> module:attribute of the factory, imported when it is asked for."""


def available() -> list[str]:
    """The names of all backends, plug-ins among them."""
    return sorted({*BUILT_IN, *(point.name for point in _plug_ins())})


def factory(name: str) -> Factory:
    """The factory of a backend.

    Raises:
        UnknownName: no such backend; the names that exist.
        InvalidBackend: a plug-in cannot be loaded.
    """
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        found: object = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    else:
        points = {point.name: point for point in _plug_ins()}
        if name not in points:
            raise UnknownName("backend", name, available())
        try:
            found = points[name].load()
        except Exception as error:  # whatever a plug-in's import raises
            raise InvalidBackend(
                f"the backend {name!r} of {points[name].value} cannot be loaded: {error}"
            ) from error
    if not callable(found):
        raise InvalidBackend(f"the backend {name!r} is {found!r}, which cannot be called")
    return found


def make(name: str, conditions: Conditions) -> Backend:
    """The backend of a name under conditions; raises as `factory` and the backend itself do."""
    return factory(name)(conditions)


def _plug_ins() -> list[importlib.metadata.EntryPoint]:
    return list(importlib.metadata.entry_points(group=GROUP))

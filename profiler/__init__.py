"""Pathfit profiler: measurements of blocks and networks on a device."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from profiler.backends.base import Conditions as Conditions
    from profiler.backends.registry import make_backend as make_backend
    from profiler.backends.registry import register_backend as register_backend
    from profiler.building.builder import Settings as Settings
    from profiler.building.builder import build as build
    from profiler.measurement import measure as measure

__all__ = ["Conditions", "Settings", "build", "make_backend", "measure", "register_backend"]

__getattr__, __dir__ = exports(
    __name__,
    {
        "Conditions": ".backends.base",
        "Settings": ".building.builder",
        "build": ".building.builder",
        "make_backend": ".backends.registry",
        "measure": ".measurement",
        "register_backend": ".backends.registry",
    },
)

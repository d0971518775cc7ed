"""Pathfit profiler: measures blocks and networks on a device."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from profiler.builder import Settings as Settings
    from profiler.builder import build as build
    from profiler.measurement import measure as measure

__getattr__, __dir__ = exports(__name__, {"Settings": ".builder", "build": ".builder", "measure": ".measurement"})

"""Pathfit profiler: measures blocks and networks on a device."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from profiler.build.builder import Settings as Settings
    from profiler.build.builder import build as build
    from profiler.measurement import measure as measure

__getattr__, __dir__ = exports(
    __name__, {"Settings": ".build.builder", "build": ".build.builder", "measure": ".measurement"}
)

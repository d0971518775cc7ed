"""Pathfit profiler: measurements of blocks and networks on a device."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from profiler.building.builder import Settings as Settings
    from profiler.building.builder import build as build
    from profiler.measurement import measure as measure

__all__ = ["Settings", "build", "measure"]

__getattr__, __dir__ = exports(
    __name__,
    {"Settings": ".building.builder", "build": ".building.builder", "measure": ".measurement"},
)

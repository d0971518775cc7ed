"""Pathfit profiler: measures blocks and networks on a device."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from profiler.build import Settings as Settings
    from profiler.build import build as build
    from profiler.measure import measure as measure

__getattr__, __dir__ = exports(__name__, {"Settings": ".build", "build": ".build", "measure": ".measure"})

"""Export targets by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from spaces.plugins import Registry

if TYPE_CHECKING:
    from oneshot.export.targets.base import Target

MakeTarget: TypeAlias = "Callable[[], Target]"

TARGETS = Registry[MakeTarget](
    "export target",
    "pathfit.export_targets",
    {
        "openvino": "oneshot.export.targets.openvino:OpenVinoTarget",
        "executorch": "oneshot.export.targets.executorch:ExecuTorchTarget",
        "litert": "oneshot.export.targets.litert:LiteRtTarget",
        "ncnn": "oneshot.export.targets.ncnn:NcnnTarget",
    },
)
"""Name -> class of the target; its extra is imported when a network is written."""

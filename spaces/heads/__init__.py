"""Heads: the layers behind a backbone, such as those of a detector; see `pathfit list head`."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from spaces.heads.attached import AttachedHead, WaitingValues, WiredBlocks, attach
    from spaces.heads.geometry import BoxGeometry, Level
    from spaces.heads.head import Head
    from spaces.heads.registry import make_head, register_head
    from spaces.heads.wiring import Wiring, WiringBuilder

__all__ = [
    "AttachedHead",
    "BoxGeometry",
    "Head",
    "Level",
    "WaitingValues",
    "WiredBlocks",
    "Wiring",
    "WiringBuilder",
    "attach",
    "make_head",
    "register_head",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "AttachedHead": ".attached",
        "BoxGeometry": ".geometry",
        "Head": ".head",
        "Level": ".geometry",
        "WaitingValues": ".attached",
        "WiredBlocks": ".attached",
        "Wiring": ".wiring",
        "WiringBuilder": ".wiring",
        "attach": ".attached",
        "make_head": ".registry",
        "register_head": ".registry",
    },
)

"""Heads: the layers behind a backbone, such as those of a detector; see `pathfit list head`."""

from spaces.heads.attached import AttachedHead as AttachedHead
from spaces.heads.attached import WaitingValues as WaitingValues
from spaces.heads.attached import WiredBlocks as WiredBlocks
from spaces.heads.attached import attach as attach
from spaces.heads.geometry import BoxGeometry as BoxGeometry
from spaces.heads.geometry import Level as Level
from spaces.heads.head import Head as Head
from spaces.heads.registry import CLASSIFIER as CLASSIFIER
from spaces.heads.registry import HEADS as HEADS
from spaces.heads.registry import make_head as make_head
from spaces.heads.wiring import Wiring as Wiring
from spaces.heads.wiring import WiringBuilder as WiringBuilder

__all__ = [
    "CLASSIFIER",
    "HEADS",
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
]

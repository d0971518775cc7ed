"""Record of one run of a model with choices, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from spaces.user_model.block import ModuleBlock

NO_SITE = -1
"""Site of a block outside all mutables."""

Shapes: TypeAlias = tuple[tuple[int, ...], ...]
"""Shapes of some tensors, without the dimension of the batch."""


@dataclass(frozen=True)
class Call:
    """A block that was executed.

    Args:
        path: Path of its module in the model.
        site: Innermost mutable around it, or NO_SITE.
        block: Block with its counts.
    """

    path: str
    site: int
    block: ModuleBlock


@dataclass(frozen=True)
class Trace:
    """One run of a model.

    Args:
        calls: Blocks, in the order in which their modules returned.
        edges: Executed mutable -> nodes that its output comes from; a node is a mutable + 1, or 0
            for the model's input.
        signatures: Executed mutable -> shapes of its inputs and outputs, for each call.
        output: Shapes of the model's output.
    """

    calls: tuple[Call, ...]
    edges: Mapping[int, frozenset[int]]
    signatures: Mapping[int, tuple[tuple[Shapes, Shapes], ...]]
    output: Shapes

"""What one run of a model with choices was made of, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from spaces.user_model.block import ModuleBlock

NO_SITE = -1
"""The place of what belongs to no mutable."""

Shapes: TypeAlias = tuple[tuple[int, ...], ...]
"""Shapes of some tensors, without the dimension of the batch."""


@dataclass(frozen=True)
class Call:
    """A block that was executed.

    Args:
        path: of its module in the model.
        site: the innermost mutable that holds it, or NO_SITE.
        block: what it costs.
    """

    path: str
    site: int
    block: ModuleBlock


@dataclass(frozen=True)
class Trace:
    """One run of a model.

    Args:
        calls: its blocks, in the order in which their modules returned.
        edges: executed mutable -> the nodes (mutable + 1; 0: the model's input) that its output
            comes from.
        signatures: executed mutable -> the shapes of its inputs and outputs, for each time.
        output: shapes of the model's output.
    """

    calls: tuple[Call, ...]
    edges: Mapping[int, frozenset[int]]
    signatures: Mapping[int, tuple[tuple[Shapes, Shapes], ...]]
    output: Shapes

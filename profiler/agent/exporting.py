"""Networks as ONNX files, for agents on devices without torch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from profiler.backends.base import chain_blocks
from profiler.errors import UnsupportedConditions

if TYPE_CHECKING:
    from spaces.architecture import Architecture
    from spaces.space import SearchSpace
    from tables.lookup_table import LookupTable

BACKEND = "onnxruntime"
"""The backend that runs exported networks."""


def can_export(table: LookupTable, space: SearchSpace) -> bool:
    """Return whether networks can be exported that run as those of a table did.

    Args:
        table: The table.
        space: Its space.
    """
    conditions = table.conditions
    is_plain = conditions["backend"] == BACKEND and conditions["precision"] == "fp32"
    return is_plain and space.is_chain and not space.phases


def export_networks(
    table: LookupTable, space: SearchSpace, architectures: Sequence[Architecture]
) -> list[bytes]:
    """Return networks as ONNX models, with the graphs and weights that a table was measured by.

    Args:
        table: Table of onnxruntime.
        space: Its space, whose networks are chains.
        architectures: The networks.

    Raises:
        UnsupportedConditions: Networks of the table are not exported.
    """
    import torch

    from profiler.backends.onnx_graph import Fragment, fragment, model
    from profiler.backends.torch_eager import unit_variance
    from spaces.modules.blocks import build
    from spaces.modules.network import materialise

    if not can_export(table, space):
        raise UnsupportedConditions(
            f"networks of {space.name} are exported for tables of {BACKEND} in fp32 whose networks"
            f" are chains, not for {table.name!r}"
        )

    fragments: dict[tuple[int, str], Fragment] = {}
    models = []
    for architecture in architectures:
        blocks = chain_blocks(space, architecture)
        assert blocks is not None
        named = []
        for position, block in enumerate(blocks):
            key = (position, block.key)
            if key not in fragments:
                # As `OnnxRuntime` seeds them: the networks are those that the table has.
                generator = torch.Generator().manual_seed(table.seed + position)
                module = materialise(partial(build, block), unit_variance, generator)
                fragments[key] = fragment(block, module.eval(), f"b{position}")
            named.append((f"b{position}", fragments[key]))
        proto = model(named, int(table.conditions["batch"]), blocks[0].input, blocks[-1].output[0])
        models.append(bytes(proto.SerializeToString()))
    return models

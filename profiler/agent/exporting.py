"""Blocks as ONNX files, for agents on devices without torch, which join them to networks."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from profiler.errors import UnsupportedConditions

if TYPE_CHECKING:
    from spaces.space import SearchSpace

BACKENDS = ("onnxruntime", "openvino")
"""The backends that run networks of exported blocks."""

PRECISION = "fp32"
"""The precision of these networks."""


def can_export(space: SearchSpace, backend: str, precision: str) -> bool:
    """Return whether networks of a space can be joined from exported blocks.

    Args:
        space: The space.
        backend: Name of the backend that is to run them.
        precision: Precision that they are to run in.
    """
    runs_them = backend in BACKENDS and precision == PRECISION
    return runs_them and space.is_chain and not space.phases


def export_blocks(
    space: SearchSpace, keys: Collection[str], batch: int, seed: int
) -> Iterator[tuple[str, bytes]]:
    """Yield blocks as serialised ONNX models, which `onnx_chain.read_fragment` reads.

    Args:
        space: Space whose networks are chains.
        keys: Keys of the blocks.
        batch: Batch size.
        seed: Seed of the weights.

    Yields:
        Pairs (key, model).

    Raises:
        UnsupportedConditions: Networks of the space are no chains of blocks.
    """
    import torch

    from profiler.backends.onnx_chain import block_model
    from profiler.backends.onnx_networks import written_fragment

    if not can_export(space, BACKENDS[0], PRECISION):
        raise UnsupportedConditions(
            f"blocks of {space.name} are not exported: its networks are no chains of them"
        )

    for key in keys:
        block = space.all_blocks[key]
        fragment = written_fragment("block", block, torch.Generator().manual_seed(seed))
        proto = block_model(fragment, "block", block, batch)
        yield key, bytes(proto.SerializeToString())

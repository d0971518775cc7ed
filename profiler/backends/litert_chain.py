"""LiteRT models of chains of blocks, joined from the models of single blocks.

The converter takes seconds for a block, and ten times as long for a network of twenty: a table
needs more than a hundred networks, but of a space's blocks only a few dozen differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from profiler.backends.torch_eager import unit_variance
from spaces.block import Block
from spaces.modules.blocks import build
from spaces.modules.network import materialise

# What a LiteRT file has at its fifth byte.
_IDENTIFIER = b"TFL3"


class JoinedBlocks:
    """Joins blocks to LiteRT models with a fixed batch size and random weights.

    Images and features are [batch, height, width, channels], LiteRT's own layout, in which the
    converter adds no transposition between blocks. A block is converted once; wherever it occurs in
    a network, its weights are the same numbers in memory of their own.

    Args:
        convert: Converts a module, and an example of its input, to the content of a file.
        batch: Batch size.
        seed: Seed of each block's weights.
    """

    def __init__(self, convert: Callable[[nn.Module, Tensor], bytes], batch: int, seed: int):
        self.batch = batch
        self.seed = seed
        self._convert = convert
        self._contents: dict[str, bytes] = {}

    def content(self, blocks: Sequence[Block]) -> bytes:
        """Return the content of a file of these blocks one after the other."""
        return joined([self._block_content(block) for block in blocks])

    def module(self, block: Block) -> nn.Module:
        """Return a block as torch computes it, with the weights of its model."""
        generator = torch.Generator().manual_seed(self.seed)
        return materialise(lambda: build(block), unit_variance, generator).eval()

    def _block_content(self, block: Block) -> bytes:
        if block.key not in self._contents:
            self._contents[block.key] = self._convert(
                _with_channels_last(self.module(block), block),
                channels_last(torch.zeros(self.batch, *block.input)),
            )
        return self._contents[block.key]


def channels_last(features: Tensor) -> Tensor:
    """Return images or features [batch, channels, height, width] as LiteRT has them.

    Args:
        features: Of any shape; those without height and width are returned as they are.
    """
    return features.permute(0, 2, 3, 1).contiguous() if features.ndim == 4 else features


def joined(contents: Sequence[bytes]) -> bytes:
    """Join models to one in which each reads the output of the one before.

    Args:
        contents: Content of files, each with one subgraph of one input and one output.

    Returns:
        Content of a file; its signature has the names of the first one.
    """
    import flatbuffers

    first, *others = map(_read, contents)
    for position, model in enumerate(others, 1):
        _append(first, model, f"b{position}/".encode())

    # Only the first block's, such as the oldest runtime that reads it.
    first.metadata = None
    first.metadataBuffer = None

    builder = flatbuffers.Builder(sum(map(len, contents)))
    builder.Finish(first.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


def _read(content: bytes) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


def _append(model: Any, other: Any, prefix: bytes) -> None:
    """Let a model end in another one, whose objects become its own.

    Args:
        model: Model that grows.
        other: Model that reads its output.
        prefix: Prefix that the other's tensors get, since the quantiser refuses equal names.
    """
    (graph,) = model.subgraphs
    (appended,) = other.subgraphs
    (source,) = graph.outputs
    (entry,) = appended.inputs

    # Absent inputs have the number -1.
    numbers = {-1: -1}
    for number, tensor in enumerate(appended.tensors):
        if number == entry:
            # Nothing would compute it, which the quantiser refuses.
            numbers[number] = source
            continue

        tensor.name = prefix + tensor.name
        tensor.buffer += len(model.buffers)
        numbers[number] = len(graph.tensors)
        graph.tensors.append(tensor)

    for operator in appended.operators:
        operator.opcodeIndex += len(model.operatorCodes)
        operator.inputs = [numbers[number] for number in operator.inputs]
        operator.outputs = [numbers[number] for number in operator.outputs]

    model.buffers += other.buffers
    model.operatorCodes += other.operatorCodes
    graph.operators += appended.operators
    graph.outputs = [numbers[number] for number in appended.outputs]

    (signature,) = model.signatureDefs
    (output,) = signature.outputs
    (output.tensorIndex,) = graph.outputs


def _with_channels_last(module: nn.Module, block: Block) -> nn.Module:
    """Return a block's module that reads and returns features as LiteRT has them."""
    import litert_torch

    read = [0] if len(block.input) == 3 else None
    returned = [0] if len(block.output) == 3 else None
    wrapped: nn.Module = litert_torch.to_channel_last_io(module, args=read, outputs=returned)
    return wrapped.eval()

"""Networks of a space as ONNX models with their inputs, for the runtimes that read ONNX."""

from __future__ import annotations

import itertools
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from profiler.backends.base import chain_blocks
from profiler.backends.onnx_chain import ChainNetworks, Feed, Fragment
from profiler.backends.onnx_graph import fragment
from profiler.backends.onnx_wired import wired_model
from profiler.backends.torch_eager import unit_variance
from spaces.architecture import Architecture
from spaces.block import Block
from spaces.heads.attached import WiredBlocks
from spaces.modules.blocks import build
from spaces.modules.nested import TensorOutputs, tensors_in, with_tensor_arguments
from spaces.modules.network import materialise
from spaces.space import SearchSpace


class OnnxNetworks:
    """Writes networks as ONNX models with a fixed batch size and random weights.

    Args:
        batch: Batch size.
        seed: Seed of weights and inputs.
    """

    def __init__(self, batch: int = 1, seed: int = 0):
        self.batch = batch
        self.seed = seed
        self._chains = ChainNetworks(self._fragment, batch, seed)

    def network(self, space: SearchSpace, architecture: Architecture) -> tuple[bytes, Feed]:
        """Return the serialised model of an architecture's network, and its inputs."""
        # A chain is built from its blocks' graphs, much faster than by torch's exporter.
        blocks = chain_blocks(space, architecture)
        if blocks is not None and not space.phases:
            return self._chains.chain(blocks)

        wired = space.wired_blocks(architecture)
        if wired is not None:
            return self._wired(wired)

        generator = torch.Generator().manual_seed(self.seed)
        inputs = space.random_input(architecture, self.batch, generator)
        names = space.input_names(architecture)
        pairs = zip(names, tensors_in(inputs), strict=True)
        feed = {name: tensor.numpy() for name, tensor in pairs}
        return self._exported(space, architecture, inputs, feed), feed

    def _wired(self, wired: WiredBlocks) -> tuple[bytes, Feed]:
        """Return the model of a network with a head, whose fragments are shared."""
        positions = itertools.count()
        fragments = [
            [self._chains.named_fragment(next(positions), block) for block in blocks]
            for blocks in wired.blocks
        ]
        proto = wired_model(fragments, wired, self.batch)
        return proto.SerializeToString(), {"image": self._chains.image(wired.wiring.shapes[0])}

    def _fragment(self, name: str, position: int, block: Block) -> Fragment:
        generator = torch.Generator().manual_seed(self.seed + position)
        return written_fragment(name, block, generator)

    def _exported(
        self,
        space: SearchSpace,
        architecture: Architecture,
        inputs: Any,
        feed: Mapping[str, NDArray[Any]],
    ) -> bytes:
        import onnx

        network = space.network(architecture).eval()
        with torch.no_grad():
            unit_variance(network, torch.Generator().manual_seed(self.seed))
        with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "network.onnx"
            warnings.simplefilter("ignore")

            # By tracing, which torch advises against for models at large: its newer exporter takes
            # forty times as long for a network of cells (8 s of NAS-Bench-201), more than a table's
            # whole budget. Constants are folded by onnxruntime.
            module, arguments = with_tensor_arguments(network, inputs)
            torch.onnx.export(
                TensorOutputs(module),
                arguments,
                file,
                input_names=list(feed),
                dynamo=False,
                do_constant_folding=False,
            )
            proto = onnx.load(file)

        # A cell without a path to its output does not use the image, and a candidate may not use a
        # mask: tracing drops such an input.
        names = {entry.name for entry in proto.graph.input}
        for name, value in feed.items():
            if name not in names:
                kind = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
                entry = onnx.helper.make_tensor_value_info(name, kind, list(value.shape))
                proto.graph.input.append(entry)

        return bytes(proto.SerializeToString())


def written_fragment(name: str, block: Block, generator: torch.Generator) -> Fragment:
    """Write a block with random weights as ONNX.

    Args:
        name: Prefix of all its names.
        block: The block.
        generator: Random generator of the weights.
    """
    module = materialise(lambda: build(block), unit_variance, generator).eval()
    return fragment(block, module, name)

"""ONNX models of chains of blocks, joined from the ONNX of single blocks, without torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, load_from_string

from profiler.backends.base import Conditions
from spaces.architecture import Architecture
from spaces.block import Block
from spaces.operators.layers import Shape
from spaces.space import SearchSpace

# Versions that every onnxruntime which Pathfit supports can read.
OPSET = 18
IR_VERSION = 10

Feed: TypeAlias = dict[str, NDArray[Any]]
"""Name of an input -> its value [batch, ...]."""


class Networks(Protocol):
    """Writes networks as ONNX models."""

    def network(self, space: SearchSpace, architecture: Architecture) -> tuple[bytes, Feed]:
        """Return the serialised model of an architecture's network, and its inputs."""


@dataclass
class Fragment:
    """The nodes and weights of a block.

    All names start with the block's; its input ends in `in` and its output in `out`.
    """

    nodes: list[Any] = field(default_factory=list)
    weights: list[Any] = field(default_factory=list)


class ChainNetworks:
    """Joins blocks to networks with a fixed batch size.

    Args:
        fragment_of: Function that returns the fragment of a block by its name and its position in
            the network; it is called once for each pair of a position and a block.
        batch: Batch size.
        seed: Seed of the inputs.
    """

    def __init__(self, fragment_of: Callable[[str, int, Block], Fragment], batch: int, seed: int):
        self.batch = batch
        self.seed = seed
        self._fragment_of = fragment_of
        self._fragments: dict[tuple[int, str], Fragment] = {}
        self._inputs: dict[tuple[int, ...], NDArray[np.float32]] = {}

    def chain(self, blocks: Sequence[Block]) -> tuple[bytes, Feed]:
        """Return the serialised model of these blocks one after the other, and its inputs."""
        shape = blocks[0].input
        classes = blocks[-1].output[0]
        fragments = [self.named_fragment(position, block) for position, block in enumerate(blocks)]
        proto = model(fragments, self.batch, shape, classes)
        return proto.SerializeToString(), {"image": self.image(shape)}

    def named_fragment(self, position: int, block: Block) -> tuple[str, Fragment]:
        """Return the name and the fragment of a block at a position."""
        name = f"b{position}"

        # Networks share fragments by position and block, as torch's share modules.
        key = (position, block.key)
        if key not in self._fragments:
            self._fragments[key] = self._fragment_of(name, position, block)

        return name, self._fragments[key]

    def image(self, shape: Shape) -> NDArray[np.float32]:
        """Return random images [batch, *shape], the same for all networks."""
        if shape not in self._inputs:
            rng = np.random.default_rng(self.seed)
            self._inputs[shape] = rng.standard_normal((self.batch, *shape), dtype=np.float32)
        return self._inputs[shape]


def networks_of_torch(conditions: Conditions) -> Networks:
    """Return the networks that torch builds, of any kind.

    Args:
        conditions: Conditions with their batch size and the seed of their weights.
    """
    # Not at the top: agents on devices without torch join exported blocks.
    from profiler.backends.onnx_networks import OnnxNetworks

    return OnnxNetworks(conditions.batch, conditions.seed)


def model(fragments: Sequence[tuple[str, Fragment]], batch: int, shape: Shape, classes: int) -> Any:
    """Join fragments to an ONNX model.

    Args:
        fragments: Pairs (name, fragment) in the blocks' order.
        batch: Batch size.
        shape: Shape of one image.
        classes: Number of classes of the output.
    """
    nodes = []
    weights = []
    source = "image"
    for index, (name, block_fragment) in enumerate(fragments):
        # Fragments have fixed names, so that they can be shared; identities connect them.
        entry_name = f"{name}.enter.{index}"
        nodes.append(helper.make_node("Identity", [source], [f"{name}.in"], name=entry_name))
        nodes += block_fragment.nodes
        weights += block_fragment.weights
        source = f"{name}.out"

    nodes.append(helper.make_node("Identity", [source], ["logits"], name="leave"))
    return _model(
        "network", nodes, weights, ("image", [batch, *shape]), ("logits", [batch, classes])
    )


def block_model(fragment: Fragment, name: str, block: Block, batch: int) -> Any:
    """Return an ONNX model of one block, which `read_fragment` reads.

    Args:
        fragment: The block.
        name: Prefix of its names.
        block: Description of the block.
        batch: Batch size.
    """
    entry = (f"{name}.in", [batch, *block.input])
    output = (f"{name}.out", [batch, *block.output])
    return _model(name, fragment.nodes, fragment.weights, entry, output)


def read_fragment(content: bytes, name: str) -> Fragment:
    """Read a block that `block_model` has written, under another name.

    Args:
        content: The serialised model.
        name: Prefix that all names get in place of the block's.

    Raises:
        ValueError: The content is no such model.
    """
    try:
        graph = load_from_string(content).graph
    # The parser's own error has no base but Exception.
    except Exception as error:
        raise ValueError(f"no ONNX model of a block: {error}") from error

    prefix = f"{graph.name}."

    def renamed(value: str) -> str:
        # Absent inputs have no name.
        return f"{name}.{value.removeprefix(prefix)}" if value else ""

    nodes = []
    for node in graph.node:
        copy = NodeProto()
        copy.CopyFrom(node)
        copy.name = renamed(node.name)
        copy.input[:] = map(renamed, node.input)
        copy.output[:] = map(renamed, node.output)
        nodes.append(copy)

    weights = []
    for weight in graph.initializer:
        tensor = TensorProto()
        tensor.CopyFrom(weight)
        tensor.name = renamed(weight.name)
        weights.append(tensor)

    return Fragment(nodes, weights)


def _model(
    name: str,
    nodes: Sequence[Any],
    weights: Sequence[Any],
    entry: tuple[str, list[int]],
    output: tuple[str, list[int]],
) -> Any:
    """Return a model of one input and one output, which are pairs of a name and a shape."""
    values = [
        helper.make_tensor_value_info(end, TensorProto.FLOAT, shape)
        for end, shape in (entry, output)
    ]
    graph = helper.make_graph(nodes, name, values[:1], values[1:], weights)
    return helper.make_model(
        graph, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
    )

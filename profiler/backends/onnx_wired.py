"""ONNX models of networks with a head, written from the blocks' descriptions and their wiring."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
import torch
from onnx import TensorProto, helper

from profiler.backends.onnx_chain import IR_VERSION, OPSET, Fragment

if TYPE_CHECKING:
    from spaces.heads.attached import WiredBlocks


def wired_model(
    layers: Sequence[Sequence[tuple[str, Fragment]]], wired: WiredBlocks, batch: int
) -> Any:
    """Join fragments to an ONNX model.

    Args:
        layers: Pairs (name, fragment) of the blocks of each layer; names differ between blocks.
        wired: Blocks of the network.
        batch: Batch size.
    """
    wiring = wired.wiring
    nodes: list[Any] = []
    weights: list[Any] = []
    names = ["image"]

    for index, (layer, fragments) in enumerate(zip(wiring.layers, layers, strict=True)):
        source = names[layer.sources[0]]
        if len(layer.sources) > 1:
            sources = [names[value] for value in layer.sources]
            source = f"joined.{index}"
            nodes.append(
                helper.make_node("Sum", sources, [source], name=source)
                if layer.adds
                else helper.make_node("Concat", sources, [source], name=source, axis=1)
            )

        for name, fragment in fragments:
            # Fragments have fixed names, so that they can be shared; identities connect them.
            entry = f"{name}.enter.{index}"
            nodes.append(helper.make_node("Identity", [source], [f"{name}.in"], name=entry))
            nodes += fragment.nodes
            weights += fragment.weights
            source = f"{name}.out"

        names.append(source)

    collector = _collector(wired, batch)
    for position, value in enumerate(wiring.outputs):
        output = _input_name(position)
        nodes.append(helper.make_node("Identity", [names[value]], [output], name=f"leave.{output}"))

    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, *wiring.shapes[0]])
    graph = helper.make_graph(
        [*nodes, *collector.graph.node],
        "network",
        [image],
        list(collector.graph.output),
        [*weights, *collector.graph.initializer],
    )
    return helper.make_model(
        graph, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
    )


def _collector(wired: WiredBlocks, batch: int) -> Any:
    """Return the ONNX model of the module that turns the output values into the result."""
    wiring = wired.wiring
    module = wired.attached.head.collector(wiring, wired.attached.geometry)
    values = [torch.zeros(batch, *wiring.shapes[value]) for value in wiring.outputs]

    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "collector.onnx"
        # By tracing, as the networks of cells: it takes milliseconds.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (values,),
            file,
            input_names=[_input_name(position) for position in range(len(values))],
            opset_version=OPSET,
            dynamo=False,
        )
        return onnx.load(file)


def _input_name(position: int) -> str:
    return f"value.{position}"

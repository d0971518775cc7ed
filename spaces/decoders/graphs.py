"""Decoders as graphs for predictors, and as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spaces.drawing.sketch import Box, Sketch

if TYPE_CHECKING:
    from torch_geometric.data import Batch

    from spaces.decoders.sizes import Shape
    from spaces.decoders.space import DecoderSpace
    from spaces.space import Codes


def operations(space: DecoderSpace) -> list[str]:
    """Return the names of the sizes: the labels of a graph's nodes in order.

    The layers share them, so that `heads 4` is one label wherever it occurs. The depth has none: it
    is the number of nodes.
    """
    return list(dict.fromkeys(name for names in _names(space) for name in names))


def decoder_graphs(space: DecoderSpace, codes: Codes) -> Batch:
    """Build the graphs of decoders: paths input -> context -> width -> heads -> ratio -> ...

    Args:
        space: Space of the decoders.
        codes: Checked codes, int array [n, choices].
    """
    from spaces.graphs.graph import dense_graphs

    label = {name: index + 1 for index, name in enumerate(operations(space))}
    keys = [choice.key for choice in space.choices]

    # The depth is no node. Its column becomes that of the input, whose label is 0.
    depth = keys.index("depth")
    order = [depth, *(column for column in range(len(keys)) if column != depth)]
    labels = np.zeros((len(codes), len(keys)), dtype=np.int64)
    for node, column in enumerate(order[1:], 1):
        candidate_labels = np.array([label[name] for name in _names(space)[column]])
        labels[:, node] = candidate_labels[codes[:, column]]

    # Layers beyond the depth are absent: two nodes of each.
    depths = space.sizes.depths_of(codes)
    layer = (np.arange(len(keys)) - 3) // 2
    labels[layer >= depths[:, None]] = -1

    positions = np.array([0, *(column + 1 for column in order[1:])])
    adjacency = np.eye(len(keys), k=1, dtype=bool)[None].repeat(len(codes), 0)
    return dense_graphs(labels, positions, adjacency)


def decoder_sketch(title: str, shape: Shape) -> Sketch:
    """Return the content of a decoder's picture, with one row for each layer.

    Args:
        title: Title of the picture.
        shape: Sizes of the decoder.
    """
    tokens = f"{shape.context} tokens"
    width = f"{shape.width} features"
    boxes = [Box("embedding", (tokens, width), row=0)]
    rows = ["input"]
    for number, (heads, ratio) in enumerate(shape.layers, 1):
        rows.append(f"layer {number}")
        boxes.append(Box("attention", (f"{heads} heads",), kind=f"heads {heads}", row=number))
        boxes.append(Box("feed forward", (f"ratio {ratio}",), kind=f"ratio {ratio}", row=number))

    rows.append("output")
    boxes.append(Box("token scores", (), row=len(rows) - 1))
    arrows = tuple((index, index + 1) for index in range(len(boxes) - 1))
    return Sketch(title, tuple(boxes), arrows, tuple(rows))


def _names(space: DecoderSpace) -> list[list[str]]:
    """Return for each choice the labels of its candidates; of the depth none."""
    names: list[list[str]] = []
    for choice in space.choices:
        kind = choice.key.partition("_")[0]
        labelled = [] if kind == "depth" else choice.candidates
        names.append([f"{kind} {candidate}" for candidate in labelled])
    return names

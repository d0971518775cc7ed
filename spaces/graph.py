"""Architectures as graphs for predictors (torch_geometric).

Every graph has for each node `operation` (0: the input; else an index of the space's operation names + 1) and
`position` (0: the input; else the choice it stands for + 1), and `edge_index` along the flow of information.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from spaces.space import Codes, SearchSpace

if TYPE_CHECKING:
    from spaces.chain import ChainSpace


def operations(space: SearchSpace) -> list[str]:
    """The distinct candidate names of a space; the operation with index i is node label i + 1."""
    return list(dict.fromkeys(name for choice in space.choices for name in choice.candidates))


def chain_graphs(space: ChainSpace, codes: Codes) -> Batch:
    """The graphs of chains, a path input -> choice 1 -> ... -> choice c, for `codes` int array [n, choices]."""
    label = {name: index + 1 for index, name in enumerate(operations(space))}
    count, length = len(codes), len(space.choices) + 1
    nodes = np.zeros((count, length), dtype=np.int64)
    for column, choice in enumerate(space.choices):
        nodes[:, column + 1] = np.array([label[name] for name in choice.candidates])[codes[:, column]]
    first = torch.arange(count)[:, None] * length + torch.arange(length - 1)
    edges = torch.stack([first.reshape(-1), first.reshape(-1) + 1])
    return batch_of_equal_graphs(
        {"operation": torch.from_numpy(nodes).reshape(-1), "position": torch.arange(length).repeat(count)},
        edges,
        count,
        length,
    )


def batch_of_equal_graphs(node_fields: dict[str, Tensor], edge_index: Tensor, count: int, length: int) -> Batch:
    """A Batch of `count` graphs with `length` nodes each, without building the graphs one by one.

    Args:
        node_fields: name -> tensor [count * length, ...].
        edge_index: int tensor [2, edges], already offset by graph; every graph has equally many edges.
        count: graphs.
        length: nodes of each.
    """
    batch = Batch(_base_cls=Data)
    edges = edge_index.shape[1] // max(count, 1)
    node_slices, edge_slices = torch.arange(count + 1) * length, torch.arange(count + 1) * edges
    batch.edge_index = edge_index
    batch.num_nodes = count * length  # PyG cannot tell from these fields, and warns
    for name, values in node_fields.items():
        batch[name] = values
    batch.batch = torch.arange(count).repeat_interleave(length)
    batch.ptr = node_slices
    # What Batch.from_data_list would have recorded, so that the graphs can be taken out again.
    batch._num_graphs, batch._num_nodes = count, [length] * count
    batch._slice_dict = {"edge_index": edge_slices, **dict.fromkeys(node_fields, node_slices)}
    batch._inc_dict = {"edge_index": node_slices[:-1], **dict.fromkeys(node_fields, torch.zeros(count))}
    return batch

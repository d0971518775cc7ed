"""Architectures as graphs for predictors (torch_geometric).

Every graph has for each node `operation` (0: the input; else an index of the space's operation
names + 1) and `position` (0: the input; else the choice it stands for + 1), and `edge_index` along
the flow of information.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch_geometric.data import Batch, Data

from spaces.space import Codes, SearchSpace


def chain_graphs(space: SearchSpace, codes: Codes) -> Batch:
    """The graphs of chains, a path input -> choice 1 -> ... -> choice c, for `codes` int array [n,
    choices].
    """
    label = {name: index + 1 for index, name in enumerate(space.operations)}
    count, length = len(codes), len(space.choices) + 1
    nodes = np.zeros((count, length), dtype=np.int64)
    for column, choice in enumerate(space.choices):
        nodes[:, column + 1] = np.array([label[name] for name in choice.candidates])[
            codes[:, column]
        ]
    first = torch.arange(count)[:, None] * length + torch.arange(length - 1)
    edges = torch.stack([first.reshape(-1), first.reshape(-1) + 1])
    return batch_of_equal_graphs(
        {
            "operation": torch.from_numpy(nodes).reshape(-1),
            "position": torch.arange(length).repeat(count),
        },
        edges,
        count,
        length,
    )


def dense_graphs(
    operation: NDArray[Any], position: NDArray[Any], adjacency: NDArray[np.bool_]
) -> Batch:
    """A Batch of graphs given by padded arrays, without building the graphs one by one.

    Args:
        operation: node labels, int array [n, nodes]; -1 where a graph has no such node.
        position: of the nodes, int array [n, nodes] or [nodes].
        adjacency: bool array [n, nodes, nodes], true where an edge leads from the second index to
            the third.
    """
    there = operation >= 0
    graph_of_node, node = np.nonzero(there)
    number = np.cumsum(there.reshape(-1)).reshape(there.shape) - 1
    graph_of_edge, source, target = np.nonzero(adjacency & there[:, :, None] & there[:, None, :])
    edges = np.stack([number[graph_of_edge, source], number[graph_of_edge, target]])
    positions = np.broadcast_to(position, operation.shape)
    fields = {
        "operation": torch.from_numpy(operation[graph_of_node, node].astype(np.int64)),
        "position": torch.from_numpy(positions[graph_of_node, node].astype(np.int64)),
    }
    nodes, edge_counts = there.sum(1), np.bincount(graph_of_edge, minlength=len(operation))
    return _batch(
        fields, torch.from_numpy(edges), torch.from_numpy(nodes), torch.from_numpy(edge_counts)
    )


def batch_of_equal_graphs(
    node_fields: dict[str, Tensor], edge_index: Tensor, count: int, length: int
) -> Batch:
    """A Batch of `count` graphs with `length` nodes each, without building the graphs one by one.

    Args:
        node_fields: name -> tensor [count * length, ...].
        edge_index: int tensor [2, edges], already offset by graph; every graph has equally many
            edges.
        count: graphs.
        length: nodes of each.
    """
    edges = edge_index.shape[1] // max(count, 1)
    return _batch(
        node_fields, edge_index, torch.full((count,), length), torch.full((count,), edges)
    )


def _batch(
    node_fields: dict[str, Tensor], edge_index: Tensor, nodes: Tensor, edges: Tensor
) -> Batch:
    # nodes, edges: how many each graph has, [n].
    batch = Batch(_base_cls=Data)
    node_slices, edge_slices = (
        nn.functional.pad(nodes.cumsum(0), (1, 0)),
        nn.functional.pad(edges.cumsum(0), (1, 0)),
    )
    batch.edge_index = edge_index
    batch.num_nodes = int(nodes.sum())  # PyG cannot tell from these fields, and warns
    for name, values in node_fields.items():
        batch[name] = values
    batch.batch = torch.arange(len(nodes)).repeat_interleave(nodes)
    batch.ptr = node_slices
    # What Batch.from_data_list would have recorded, so that the graphs can be taken out again.
    batch._num_graphs, batch._num_nodes = len(nodes), nodes.tolist()
    batch._slice_dict = {"edge_index": edge_slices, **dict.fromkeys(node_fields, node_slices)}
    batch._inc_dict = {
        "edge_index": node_slices[:-1],
        **dict.fromkeys(node_fields, torch.zeros(len(nodes))),
    }
    return batch

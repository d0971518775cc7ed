"""Architectures as graphs for predictors (torch_geometric).

Every node has an `operation` (0 for the input, else 1 + the index of an operation of the space) and
a `position` (0 for the input, else 1 + the index of its choice). `edge_index` follows the flow of
information.
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
    """Build the graphs of chains: paths input -> choice 1 -> ... -> choice c.

    Args:
        space: Chain whose operations label the nodes.
        codes: Checked codes, int array [n, choices].
    """
    label = {name: index + 1 for index, name in enumerate(space.operations)}
    count = len(codes)
    length = len(space.choices) + 1

    labels = np.zeros((count, length), dtype=np.int64)
    for column, choice in enumerate(space.choices):
        candidate_labels = np.array([label[name] for name in choice.candidates])
        labels[:, column + 1] = candidate_labels[codes[:, column]]

    # Node i of a graph leads to node i + 1.
    sources = torch.arange(count)[:, None] * length + torch.arange(length - 1)
    edges = torch.stack([sources.reshape(-1), sources.reshape(-1) + 1])
    node_fields = {
        "operation": torch.from_numpy(labels).reshape(-1),
        "position": torch.arange(length).repeat(count),
    }

    return batch_of_equal_graphs(node_fields, edges, count, length)


def dense_graphs(
    operation: NDArray[Any], position: NDArray[Any], adjacency: NDArray[np.bool_]
) -> Batch:
    """Build a Batch of graphs from padded arrays, without building the graphs one by one.

    Args:
        operation: Labels of the nodes, int array [n, nodes]; -1 where a graph lacks the node.
        position: Positions of the nodes, int array [n, nodes] or [nodes].
        adjacency: Bool array [n, nodes, nodes], true where the first node leads to the second.
    """
    present = operation >= 0
    graph_of_node, node = np.nonzero(present)

    # The batch numbers the present nodes of all graphs consecutively.
    number = np.cumsum(present.reshape(-1)).reshape(present.shape) - 1
    connected = adjacency & present[:, :, None] & present[:, None, :]
    graph_of_edge, source, target = np.nonzero(connected)
    edges = np.stack([number[graph_of_edge, source], number[graph_of_edge, target]])

    positions = np.broadcast_to(position, operation.shape)
    node_fields = {
        "operation": torch.from_numpy(operation[graph_of_node, node].astype(np.int64)),
        "position": torch.from_numpy(positions[graph_of_node, node].astype(np.int64)),
    }
    num_nodes = torch.from_numpy(present.sum(1))
    num_edges = torch.from_numpy(np.bincount(graph_of_edge, minlength=len(operation)))

    return _make_batch(node_fields, torch.from_numpy(edges), num_nodes, num_edges)


def batch_of_equal_graphs(
    node_fields: dict[str, Tensor], edge_index: Tensor, count: int, length: int
) -> Batch:
    """Build a Batch of graphs with equally many nodes and edges, without building each graph.

    Args:
        node_fields: Name -> tensor [count * length, ...].
        edge_index: Int tensor [2, edges], in which each graph has its offset already.
        count: Number of graphs.
        length: Number of nodes per graph.
    """
    # There may be no graphs at all.
    edges_per_graph = edge_index.shape[1] // max(count, 1)
    num_nodes = torch.full((count,), length)
    num_edges = torch.full((count,), edges_per_graph)
    return _make_batch(node_fields, edge_index, num_nodes, num_edges)


def _make_batch(
    node_fields: dict[str, Tensor], edge_index: Tensor, num_nodes: Tensor, num_edges: Tensor
) -> Batch:
    """Assemble a Batch from concatenated graphs with so many nodes and edges, [n] each."""
    batch = Batch(_base_cls=Data)
    batch.edge_index = edge_index
    # PyG cannot infer it from these fields, and warns.
    batch.num_nodes = int(num_nodes.sum())
    for name, values in node_fields.items():
        batch[name] = values

    batch.batch = torch.arange(len(num_nodes)).repeat_interleave(num_nodes)

    node_slices = nn.functional.pad(num_nodes.cumsum(0), (1, 0))
    edge_slices = nn.functional.pad(num_edges.cumsum(0), (1, 0))
    batch.ptr = node_slices

    # The records of Batch.from_data_list, with which `get_example` separates the graphs again.
    batch._num_graphs = len(num_nodes)
    batch._num_nodes = num_nodes.tolist()
    batch._slice_dict = {"edge_index": edge_slices, **dict.fromkeys(node_fields, node_slices)}
    batch._inc_dict = {
        "edge_index": node_slices[:-1],
        **dict.fromkeys(node_fields, torch.zeros(len(num_nodes))),
    }

    return batch

"""Graphs of distributions over candidates, which gradients flow through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from spaces.cells.edge_cells import Edges, edge_adjacency

if TYPE_CHECKING:
    from spaces.space import SearchSpace


class RelaxedGraphs(NamedTuple):
    """n graphs whose nodes are mixtures of operations and are present to a degree.

    Args:
        mixtures: Distribution over labels of each node, float [n, nodes, operations + 1]; node 0 is
            the input.
        presence: Degree from 0 to 1 to which each node is present, float [n, nodes]; the position
            of node i is i.
        adjacency: 1 where the first node leads to the second, float [nodes, nodes].
    """

    mixtures: Tensor
    presence: Tensor
    adjacency: Tensor


def relaxed_chains(space: SearchSpace, probabilities: Sequence[Tensor]) -> RelaxedGraphs:
    """Build the path of nodes in which each node is the mixture of its choice's candidates.

    Args:
        space: Chain whose operations label the nodes.
        probabilities: For each choice a distribution, float [n, candidates].
    """
    label = {name: index + 1 for index, name in enumerate(space.operations)}
    count = len(probabilities[0])
    num_nodes = len(probabilities) + 1

    mixtures = [_one_hot(0, len(label) + 1, count, probabilities[0])]

    for choice, values in zip(space.choices, probabilities, strict=True):
        # Candidates of one name share a label.
        candidate_labels = [label[name] for name in choice.candidates]
        mixtures.append(values @ torch.eye(len(label) + 1, dtype=values.dtype)[candidate_labels])

    dtype = mixtures[0].dtype
    # Node i leads to node i + 1.
    adjacency = torch.diag(torch.ones(num_nodes - 1, dtype=dtype), 1)
    presence = torch.ones(count, num_nodes, dtype=dtype)

    return RelaxedGraphs(torch.stack(mixtures, dim=1), presence, adjacency)


def relaxed_edge_cells(
    probabilities: Sequence[Tensor], edges: Edges, num_operations: int
) -> RelaxedGraphs:
    """Build the graphs of cells with operations on edges, one node per edge.

    An edge is present to the degree that it carries information, that some arrives at its source,
    and that its target passes it on to the output. Where one candidate is certain, this is the
    graph of `edge_cell_graphs`.

    Args:
        probabilities: For each edge a distribution, float [n, candidates]; candidate 0 is the zero
            operation.
        edges: Edges in the order of `spaces.cells.edge_cells`; each inner node has one in and out.
        num_operations: Number of node labels without the input's; the output has the highest.
    """
    size = num_operations + 1
    count = len(probabilities[0])
    output = edges[-1][1]
    carries = {
        edge: values[:, 1:].sum(1) for edge, values in zip(edges, probabilities, strict=True)
    }
    # Input and output are always present.
    ones = torch.ones_like(carries[edges[0]])

    # A node holds something unless all of its inputs are missing, taken as independent events.
    filled = {0: ones}
    for node in range(1, output + 1):
        missing = [1 - filled[s] * carries[s, t] for s, t in edges if t == node]
        filled[node] = 1 - torch.stack(missing).prod(0)

    read = {output: ones}
    for node in range(output - 1, -1, -1):
        missing = [1 - read[t] * carries[s, t] for s, t in edges if s == node]
        read[node] = 1 - torch.stack(missing).prod(0)

    mixtures = [_one_hot(0, size, count, probabilities[0])]
    presence = [ones]

    for edge, values in zip(edges, probabilities, strict=True):
        # The presence carries the probability of zero; the mixture is of the other operations.
        nonzero = values[:, 1:] / values[:, 1:].sum(1, keepdim=True).clamp_min(1e-12)
        mixtures.append(nn.functional.pad(nonzero, (1, size - values.shape[1])))
        presence.append(filled[edge[0]] * carries[edge] * read[edge[1]])

    mixtures.append(_one_hot(size - 1, size, count, probabilities[0]))
    presence.append(ones)

    # The wiring is fixed; only the presence of nodes varies.
    adjacency = torch.from_numpy(edge_adjacency(edges)).to(ones.dtype)

    return RelaxedGraphs(torch.stack(mixtures, 1), torch.stack(presence, 1), adjacency)


def _one_hot(index: int, size: int, count: int, like: Tensor) -> Tensor:
    return torch.eye(size, dtype=like.dtype)[index].expand(count, -1)

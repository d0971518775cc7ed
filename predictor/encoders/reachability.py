"""Reachability and depth in batches of dense directed graphs."""

from __future__ import annotations

import torch
from torch import Tensor


def reachable(adjacency: Tensor) -> Tensor:
    """Compute which nodes a directed path connects.

    Args:
        adjacency: Bool tensor [n, nodes, nodes], true where an edge leads from the second index to
            the third.

    Returns:
        Bool tensor of the same shape, true where a path of any length, 0 included, leads from the
        second index to the third.
    """
    closure = adjacency | torch.eye(adjacency.shape[-1], dtype=torch.bool, device=adjacency.device)

    # Each product doubles the length of the paths that the closure contains.
    length = 1
    while length < adjacency.shape[-1] - 1:
        longer = torch.bmm(closure.float(), closure.float()) > 0
        if torch.equal(longer, closure):
            break
        closure = longer
        length *= 2

    return closure


def depths(adjacency: Tensor) -> Tensor:
    """Compute the length of the longest path that ends in each node.

    Args:
        adjacency: Bool tensor [n, nodes, nodes], as in `reachable`.

    Returns:
        Int64 tensor [n, nodes]. Nodes after a cycle, which have no longest path, have the number
        of nodes.
    """
    nodes = adjacency.shape[-1]
    depth = adjacency.new_zeros(adjacency.shape[:-1], dtype=torch.int64)
    for _ in range(nodes):
        longer = torch.where(adjacency, depth.unsqueeze(-1) + 1, 0).amax(-2)
        if torch.equal(longer, depth):
            break
        depth = longer
    return depth

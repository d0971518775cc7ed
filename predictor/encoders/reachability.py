"""Reachability and depth in batches of dense directed graphs."""

from __future__ import annotations

import torch
from torch import Tensor


def reachable(adjacency: Tensor) -> Tensor:
    """Whether a path leads from one node to another, or they are one.

    Args:
        adjacency: bool tensor [n, nodes, nodes], true where an edge leads from the second index to
            the third.

    Returns:
        Bool tensor of the same shape.
    """
    closure = adjacency | torch.eye(adjacency.shape[-1], dtype=torch.bool, device=adjacency.device)
    length = 1  # of the paths that are in it
    while length < adjacency.shape[-1] - 1:
        longer = torch.bmm(closure.float(), closure.float()) > 0
        if torch.equal(longer, closure):
            break
        closure, length = longer, 2 * length
    return closure


def depths(adjacency: Tensor) -> Tensor:
    """The length of the longest path that ends in a node: int64 tensor [n, nodes]; `adjacency` as
    for `reachable`.

    Graphs with a cycle have no longest path; there it is the number of nodes.
    """
    nodes = adjacency.shape[-1]
    found = adjacency.new_zeros(adjacency.shape[:-1], dtype=torch.int64)
    for _ in range(nodes):
        longer = torch.where(adjacency, found.unsqueeze(-1) + 1, 0).amax(-2)
        if torch.equal(longer, found):
            break
        found = longer
    return found

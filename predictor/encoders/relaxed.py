"""Graphs of architectures that are distributions over candidates, for gradients to flow through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from predictor.errors import InvalidValues, NotRelaxable
from spaces.cells.nasbench201 import EDGES, OPERATIONS
from spaces.chains.chain import ChainSpace
from spaces.space import SearchSpace


class RelaxedGraphs(NamedTuple):
    """n graphs whose nodes are mixtures of operations and are there in part.

    Args:
        mixtures: float [n, nodes, operations + 1], a distribution a node; node 0 is the input.
        presence: float [n, nodes], from 0 to 1; position i of a node is its place i.
        adjacency: float [nodes, nodes], 1 where an edge leads from the first index to the second.
    """

    mixtures: Tensor
    presence: Tensor
    adjacency: Tensor


def relaxed_graphs(space: SearchSpace, probabilities: Sequence[Tensor]) -> RelaxedGraphs:
    """The graphs of independent probabilities of candidates.

    A node of a chain is the mixture of its candidates. An edge of NAS-Bench-201 is there as far as
    it carries something, something arrives, and what it gives arrives at the output; equal to the
    graph where one candidate is certain.

    Args:
        space: a chain, or nasbench201.
        probabilities: for each choice a float tensor [candidates] or [n, candidates].

    Raises:
        NotRelaxable: a space of another kind.
        InvalidValues: the probabilities do not fit the choices; the choice is named.
    """
    given = _checked(space, probabilities)
    if space.name.partition("(")[0] == "nasbench201":
        return RelaxedGraphs(*_cells(space, given))
    if isinstance(space, ChainSpace):
        return RelaxedGraphs(*_chains(space, given))
    raise NotRelaxable(
        f"relaxed architectures are scored for chains and nasbench201, not for {space.name}"
    )


def _checked(space: SearchSpace, probabilities: Sequence[Tensor]) -> list[Tensor]:
    if len(probabilities) != len(space.choices):
        raise InvalidValues(
            f"{space.name} has {len(space.choices)} choices; got probabilities of"
            f" {len(probabilities)}"
        )
    found = []
    for choice, values in zip(space.choices, probabilities, strict=True):
        if values.dim() not in (1, 2) or values.shape[-1] != len(choice.candidates):
            raise InvalidValues(
                f"{choice.key}: probabilities have the shape [{len(choice.candidates)}] or "
                f"[n, {len(choice.candidates)}], not {list(values.shape)}"
            )
        found.append(values.reshape(-1, values.shape[-1]))
    return found


def _chains(space: SearchSpace, probabilities: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    label = {name: index + 1 for index, name in enumerate(space.operations)}
    count, nodes = len(probabilities[0]), len(probabilities) + 1
    columns = [_one_hot(0, len(label) + 1, count, probabilities[0])]
    for choice, values in zip(space.choices, probabilities, strict=True):
        place = torch.eye(len(label) + 1, dtype=values.dtype)[
            [label[name] for name in choice.candidates]
        ]
        columns.append(values @ place)
    adjacency = torch.diag(torch.ones(nodes - 1, dtype=columns[0].dtype), 1)
    return torch.stack(columns, dim=1), torch.ones(count, nodes, dtype=columns[0].dtype), adjacency


def _cells(space: SearchSpace, probabilities: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    size, count, last = len(space.operations) + 1, len(probabilities[0]), len(EDGES) + 1
    carries = {
        edge: values[:, 1:].sum(1) for edge, values in zip(EDGES, probabilities, strict=True)
    }
    filled = {0: torch.ones_like(carries[EDGES[0]])}
    read = {3: torch.ones_like(carries[EDGES[0]])}
    for node in (1, 2, 3):
        missing = [1 - filled[source] * carries[source, node] for source in range(node)]
        filled[node] = 1 - torch.stack(missing).prod(0)
    for node in (2, 1, 0):
        missing = [1 - read[target] * carries[node, target] for target in range(node + 1, 4)]
        read[node] = 1 - torch.stack(missing).prod(0)
    ones = torch.ones_like(filled[0])
    mixtures = [_one_hot(0, size, count, probabilities[0])]
    presence = [ones]
    for edge, values in zip(EDGES, probabilities, strict=True):
        # Labels 1 ... 4 are the operations but `none`; how far the edge is there is told by its
        # presence.
        kept = values[:, 1:] / values[:, 1:].sum(1, keepdim=True).clamp_min(1e-12)
        mixtures.append(torch.nn.functional.pad(kept, (1, size - len(OPERATIONS))))
        presence.append(filled[edge[0]] * carries[edge] * read[edge[1]])
    mixtures.append(_one_hot(size - 1, size, count, probabilities[0]))
    presence.append(ones)
    wired = np.zeros((last + 1, last + 1))
    for index, (source, target) in enumerate(EDGES, 1):
        wired[0, index] = source == 0
        wired[index, last] = target == 3
        wired[index, 1:last] = [following == target for following, _ in EDGES]
    return (
        torch.stack(mixtures, 1),
        torch.stack(presence, 1),
        torch.from_numpy(wired).to(ones.dtype),
    )


def _one_hot(index: int, size: int, count: int, like: Tensor) -> Tensor:
    return torch.eye(size, dtype=like.dtype)[index].expand(count, -1)

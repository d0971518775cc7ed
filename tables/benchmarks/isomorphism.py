"""Which architectures of a space are one network, where the space's logic is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.chains.additive_space import ChoiceLayer
from spaces.chains.chain import ChainSpace
from spaces.choice_space import ChoiceSpace, Codes
from spaces.space import SearchSpace


def classes(space: SearchSpace, codes: Codes) -> NDArray[np.int64]:
    """The class of every architecture: two of one class compute the same (but for the order of
    sums).

    NAS-Bench-201: zeros propagated completely (5390 classes). NAS-Bench-101: the benchmark's graph
    hash. Chains: a candidate without blocks in a layer that may be left out, such as the identity
    of NAS-Bench-Macro, leaves the layer out, so that the order of what remains counts alone (3969
    classes). Other spaces: every architecture is its own class.

    Args:
        space: whose architectures.
        codes: checked, int array [n, choices].

    Returns:
        Int array [n]; equal numbers mean equal networks, and nothing else.
    """
    _, index = np.unique(class_keys(space, codes), axis=0, return_inverse=True)
    found: NDArray[np.int64] = index.reshape(-1).astype(np.int64)
    return found


def class_keys(space: ChoiceSpace, codes: Codes) -> NDArray[Any]:
    """What architectures of one class, as `classes` tells them, share in every call: array [n,
    parts].
    """
    return _keys(space)(codes)


def representatives(space: SearchSpace, codes: Codes) -> Codes:
    """For every architecture one that stands for its class, as codes [n, choices].

    It does not depend on what else is given; but in NAS-Bench-101 every labelling stands for
    itself.
    """
    if space.name.partition("(")[0] == "nasbench201":
        from spaces.cells.nasbench201 import classes as of_cells

        first = np.unravel_index(of_cells(codes, "complete"), tuple(space.candidates.tolist()))
        return space.check(np.stack(first, axis=1))
    if isinstance(space, ChainSpace):
        return space.check(_pushed_together(space, codes))
    return codes


def first_of_each(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place of the first architecture of each class, ascending: int array [classes]."""
    _, first = np.unique(numbers, return_index=True)
    places: NDArray[np.int64] = np.sort(first)
    return places


def _keys(space: ChoiceSpace) -> Callable[[Codes], NDArray[Any]]:
    match space.name.partition("(")[0]:
        case "nasbench201":
            from spaces.cells.nasbench201 import classes as of_cells

            return lambda codes: of_cells(codes, "complete")[:, None]
        case "nasbench101":
            from spaces.cells.graph_hash import graph_hashes

            return lambda codes: np.array(graph_hashes(codes), dtype="S32")[:, None]
    if isinstance(space, ChainSpace):
        return lambda codes: _pushed_together(space, codes)
    return lambda codes: codes


def _pushed_together(space: ChainSpace, codes: Codes) -> NDArray[Any]:
    """Codes of which layers that are left out stand behind the others of their run of equal
    layers.
    """
    together = np.array(codes)
    for first, last, left_out in _runs(space):
        part = together[:, first:last]
        order = np.argsort(part == left_out, axis=1, kind="stable")
        together[:, first:last] = np.take_along_axis(part, order, 1)
    return together


def _runs(space: ChainSpace) -> list[tuple[int, int, int]]:
    """Runs of equal layers that may be left out: first column, end, and the code that leaves one
    out.
    """
    runs: list[tuple[int, int, int]] = []
    previous: ChoiceLayer | None = None
    column = 0
    for part in space.layout:
        layer = part if isinstance(part, ChoiceLayer) else None
        if layer is not None:
            empty = [code for code, blocks in enumerate(layer.candidates.values()) if not blocks]
            if previous is not None and list(layer.candidates.items()) == list(
                previous.candidates.items()
            ):
                runs[-1] = runs[-1][0], column + 1, runs[-1][2]
            elif len(empty) == 1:
                runs.append((column, column + 1, empty[0]))
            else:
                layer = None
            column += 1
        previous = layer
    return runs

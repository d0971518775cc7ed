"""The hash by which NAS-Bench-101 knows a cell: equal for cells that are relabellings of each
other.

Ying et al., ICML 2019 (arXiv 1902.09635), appendix; google-research/nasbench.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.cells.nasbench101 import Cells

_INPUT, _OUTPUT = -1, -2


def graph_hashes(codes: NDArray[Any]) -> list[str]:
    """The benchmark's hashes of cells, which are pruned first.

    Args:
        codes: valid cells, int array [n, 26].
    """
    cells = Cells.from_codes(codes)
    distinct, index = np.unique(cells.codes(), axis=0, return_inverse=True)
    cells = Cells.from_codes(distinct)
    hashes: list[str] = []
    for adjacency, operations, live in zip(
        cells.adjacency, cells.operations, cells.live, strict=True
    ):
        labels = np.array([_INPUT, *operations.tolist(), _OUTPUT])[live].tolist()
        hashes.append(hash_graph(adjacency[np.ix_(live, live)], labels))
    return [hashes[row] for row in index.reshape(-1)]


def hash_graph(adjacency: NDArray[np.bool_], labels: Sequence[int]) -> str:
    """Hash a labelled graph: every vertex takes up its neighbours' hashes as often as there are
    vertices.

    Args:
        adjacency: bool array [vertices, vertices], true where an edge leads from the first index to
            the second.
        labels: of the vertices; -1 the input, -2 the output, else the operation.
    """
    count = len(labels)
    entering = [np.flatnonzero(adjacency[:, vertex]).tolist() for vertex in range(count)]
    leaving = [np.flatnonzero(adjacency[vertex]).tolist() for vertex in range(count)]
    hashes = [_md5(str((len(leaving[v]), len(entering[v]), labels[v]))) for v in range(count)]
    for _ in range(count):
        hashes = [
            _md5(
                "|".join([_together(hashes, entering[v]), _together(hashes, leaving[v]), hashes[v]])
            )
            for v in range(count)
        ]
    return _md5(str(sorted(hashes)))


def _together(hashes: Sequence[str], vertices: Sequence[int]) -> str:
    return "".join(sorted(hashes[vertex] for vertex in vertices))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

"""NAS-Bench-101's hash of a cell, which is equal for relabellings of one cell.

Ying et al., ICML 2019 (arXiv 1902.09635), appendix; google-research/nasbench.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.cells.nasbench101 import Cells

# Labels of the vertices that are no operations, as in the release of NAS-Bench-101.
_INPUT = -1
_OUTPUT = -2


def graph_hashes(codes: NDArray[Any]) -> list[str]:
    """Prune cells and return the benchmark's hashes.

    Args:
        codes: Valid cells, int array [n, 26].
    """
    # Python loops hash each distinct pruned cell only once.
    cells = Cells.from_codes(codes)
    distinct, index = np.unique(cells.codes(), axis=0, return_inverse=True)
    cells = Cells.from_codes(distinct)

    hashes: list[str] = []

    for adjacency, operations, live in zip(
        cells.adjacency, cells.operations, cells.live, strict=True
    ):
        # Only vertices on a path from input to output count.
        labels = np.array([_INPUT, *operations.tolist(), _OUTPUT])[live].tolist()
        hashes.append(hash_graph(adjacency[np.ix_(live, live)], labels))

    return [hashes[row] for row in index.reshape(-1)]


def hash_graph(adjacency: NDArray[np.bool_], labels: Sequence[int]) -> str:
    """Hash a labelled graph.

    As often as there are vertices, the hash of each vertex is combined with its neighbours'.

    Args:
        adjacency: Bool array [vertices, vertices], true where the first vertex leads to the second.
        labels: Label of each vertex: -1 for the input, -2 for the output, else the operation.
    """
    count = len(labels)
    entering = [np.flatnonzero(adjacency[:, vertex]).tolist() for vertex in range(count)]
    leaving = [np.flatnonzero(adjacency[vertex]).tolist() for vertex in range(count)]
    hashes = [_md5(str((len(leaving[v]), len(entering[v]), labels[v]))) for v in range(count)]

    for _ in range(count):
        hashes = [
            _md5("|".join([_join(hashes, entering[v]), _join(hashes, leaving[v]), hashes[v]]))
            for v in range(count)
        ]

    # Sorted, so that the hash does not depend on the numbering of the vertices.
    return _md5(str(sorted(hashes)))


def _join(hashes: Sequence[str], vertices: Sequence[int]) -> str:
    return "".join(sorted(hashes[vertex] for vertex in vertices))


def _md5(text: str) -> str:
    # Not for security: the benchmark's files are keyed by MD5.
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

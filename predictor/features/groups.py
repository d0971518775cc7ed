"""Groups of features that a Gaussian process compares architectures by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from predictor.encoders.dense_graphs import DenseGraphs
from predictor.features.chains import layers
from predictor.features.labels import Labels
from predictor.features.paths import sequences, statistics
from spaces.space import Codes, SearchSpace

COUNTS = ("choices", "sequences")
"""Groups that count."""

_CHUNK = 2048


def groups(space: SearchSpace, codes: Codes) -> dict[str, NDArray[np.float32]]:
    """Group -> float array [n, features] of architectures `codes`, checked, int array [n, choices].

    A chain: its choices as one-hot codes, what its layers do, each by itself and with all before
    it, and its costs. Any
    other: the operations on its paths, the sequences that they spell, its costs, and the choices
        too. Architectures
    that are known to be one network have the same features (`ChoiceSpace.representatives`).
    """
    settled = space.representatives(codes)
    parts = [
        _groups(space, settled[start : start + _CHUNK]) for start in range(0, len(settled), _CHUNK)
    ]
    return (
        {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
    )


def _groups(space: SearchSpace, codes: Codes) -> dict[str, NDArray[np.float32]]:
    codes = np.asfortranarray(codes)
    costs = np.log(1.0 + np.stack([space.macs(codes), space.params(codes)], axis=1))
    found = {"choices": space.one_hot(codes), "costs": costs}
    if space.is_chain and not space.resolutions:
        found["layers"], found["up_to_layers"] = layers(space, codes)
    else:
        graphs = DenseGraphs.from_batch(space.graphs(codes)).in_topological_order()
        labels = Labels.of(space.operations)
        found |= {"paths": statistics(graphs, labels), "sequences": sequences(graphs, labels)}
    return {name: values.astype(np.float32) for name, values in found.items()}

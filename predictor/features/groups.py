"""Groups of features by which a Gaussian process compares architectures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.encoders.dense_graphs import DenseGraphs
from predictor.features.chains import layers
from predictor.features.costs import costs
from predictor.features.labels import Labels
from predictor.features.neighbours import neighbours
from predictor.features.pairs import pairs
from predictor.features.parts import part_sums
from predictor.features.paths import sequences, statistics
from predictor.features.propagation import propagation
from predictor.features.values import value_families, value_features
from spaces.space import Codes, SearchSpace

COUNTS = ("choices", "sequences")
"""Groups whose features are counts."""

# Architectures whose features are computed at once.
_CHUNK = 2048


@dataclass(frozen=True)
class FeatureSet:
    """Which groups of features there are, besides those that every architecture has.

    Args:
        values: Whether the numbers of ValueChoices are a group.
        parts: Whether the sums of the blocks' parts are a group; see `has_parts`.
        propagation: Whether the propagation of signals is a group, in spaces without parts.
        costs_by_kind: Whether the costs have those of each kind of operation, where its width
            depends on the wiring.
        pairs: Whether the pairs of operations that edges connect are a group, where the choices
            wire a cell (`SearchSpace.searches_wiring`).
        neighbours: Whether operations in a row of three and beside each other are a group, where
            the choices wire a cell.
    """

    values: bool = True
    parts: bool = False
    propagation: bool = False
    costs_by_kind: bool = False
    pairs: bool = False
    neighbours: bool = False


_PLAIN = FeatureSet()


def groups(
    space: SearchSpace, codes: Codes, chosen: FeatureSet = _PLAIN
) -> dict[str, NDArray[np.float32]]:
    """Compute all groups of features.

    A chain has its choices as one-hot codes, the features of its layers, their sums up to each
    layer, and its costs. Any other space has the choices, the operations on its paths, the
    sequences that the paths spell, and its costs. The numbers of ValueChoices are a further group
    where choices share a scale, and otherwise part of the choices. Architectures that are one
    network (`ChoiceSpace.representatives`) have equal features.

    Args:
        space: Space of the architectures.
        codes: Codes of the architectures, checked, int array [n, choices].
        chosen: Groups that are not part of every description.

    Returns:
        Group -> float array [n, features]; empty without architectures.
    """
    representatives = space.representatives(codes)
    chunks = [
        _groups(space, representatives[start : start + _CHUNK], chosen)
        for start in range(0, len(representatives), _CHUNK)
    ]
    if not chunks:
        return {}
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def has_parts(space: SearchSpace) -> bool:
    """Return whether the layers of a space have blocks whose parts can be features."""
    # With elastic resolution or width the blocks of a candidate are not fixed.
    return space.has_layers and bool(space.choice_layers)


def _groups(space: SearchSpace, codes: Codes, chosen: FeatureSet) -> dict[str, NDArray[np.float32]]:
    codes = np.asfortranarray(codes)
    features: dict[str, NDArray[Any]] = {
        "choices": space.one_hot(codes),
        "costs": costs(space, codes, chosen.costs_by_kind),
    }

    # A chain has one path, which its layers describe.
    if has_parts(space):
        features["layers"], features["up_to_layers"] = layers(space, codes)
        if chosen.parts:
            features["part_sums"] = part_sums(space, codes)
    else:
        graphs = DenseGraphs.from_batch(space.graphs(codes)).in_topological_order()
        labels = Labels.from_operations(space.operations)
        features["paths"] = statistics(graphs, labels)
        features["sequences"] = sequences(graphs, labels)
        if chosen.propagation:
            features["propagation"] = propagation(graphs, labels, space.operations)
        if chosen.pairs and space.searches_wiring:
            features["pairs"] = pairs(graphs, len(space.operations))
        if chosen.neighbours and space.searches_wiring:
            features["neighbours"] = neighbours(graphs, len(space.operations))

    if chosen.values:
        _add_values(features, space, codes)
    return {name: values.astype(np.float32) for name, values in features.items()}


def _add_values(features: dict[str, NDArray[Any]], space: SearchSpace, codes: Codes) -> None:
    """Add the numbers of values to the groups of a chunk; without any the groups stay the same."""
    families = value_families(space)
    values = value_features(space, codes)
    if any(len(family.columns) > 1 for family in families):
        features["values"] = values
    elif families:
        # A number of one choice alone is one more code of this choice: with a kernel of its own,
        # ranks by 50 architectures of `ofa-mobilenetv3` were .003 worse.
        features["choices"] = np.concatenate([features["choices"], values], axis=1)

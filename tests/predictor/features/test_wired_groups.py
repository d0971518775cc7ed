"""Groups of cells whose wiring is searched do not depend on the numbers of the vertices."""

import numpy as np
import pytest

import spaces
from predictor.features.groups import FeatureSet, groups

WIRED = FeatureSet(pairs=True, neighbours=True)
NAMES = ("pairs", "neighbours")


def test_numbers_of_vertices_do_not_matter() -> None:
    """Two parallel vertices, and the same cell with their numbers exchanged."""
    space = spaces.get("nasbench101")
    first, second = "conv3x3-bn-relu", "maxpool3x3"
    rows = []
    for operations in ((first, second), (second, first)):
        choices = {choice.key: choice.candidates[0] for choice in space.choices}
        edges = dict.fromkeys(("edge_0_1", "edge_0_2", "edge_1_6", "edge_2_6"), "1")
        named = {f"op_{vertex}": name for vertex, name in enumerate(operations, 1)}
        rows.append(space.architecture({**choices, **edges, **named}))
    found = groups(space, space.encode(rows), WIRED)
    assert not np.array_equal(*found["choices"])
    for name in NAMES:
        np.testing.assert_array_equal(*found[name])


@pytest.mark.parametrize("name", ["spos-tiny", "nasbench201"])
def test_fixed_wirings_have_no_such_groups(name: str) -> None:
    space = spaces.get(name)
    codes = space.sample(np.random.default_rng(0), 3)
    assert not set(NAMES) & set(groups(space, codes, WIRED))

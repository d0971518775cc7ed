"""Equal networks: what the classes of each space mean."""

import numpy as np
import pytest

import spaces
from spaces.cells.nasbench101 import EDGES
from tables.benchmarks import classes
from tables.benchmarks.isomorphism import first_of_each


def all_codes(name: str) -> np.ndarray:
    return np.concatenate(list(spaces.get(name).enumerate_codes()))


@pytest.mark.parametrize(
    ("name", "count"),
    [("nasbench-macro", 3969), ("nasbench201", 5390), ("nasbench-macro(repeats=(1, 2))", 27)],
)
def test_spaces_have_so_many_distinct_networks(name: str, count: int) -> None:
    codes = all_codes(name)
    found = classes(spaces.get(name), codes)
    assert len(np.unique(found)) == count
    first = first_of_each(found)
    assert len(first) == count
    assert (np.diff(first) > 0).all()
    assert all(found[place] not in found[:place] for place in first[:50])


@pytest.mark.parametrize(
    "name", ["nasbench-macro(repeats=(2, 3))", "nasbench-macro(repeats=(1, 3))"]
)
def test_chains_of_one_class_are_exactly_those_with_the_same_blocks(name: str) -> None:
    space, codes = spaces.get(name), all_codes(name)
    found = classes(space, codes).tolist()
    blocks = [tuple(block.key for block in space.blocks(one)) for one in space.decode(codes)]
    assert len(set(zip(found, blocks, strict=True))) == len(set(found)) == len(set(blocks))


def test_layers_without_an_empty_candidate_stay_apart() -> None:
    space = spaces.get("spos-tiny")
    codes = all_codes("spos-tiny")
    assert len(np.unique(classes(space, codes))) == space.size


def test_relabelled_cells_are_one_class() -> None:
    space = spaces.get("nasbench101")
    # input -> 1 -> 3 -> output and input -> 2 -> output, and the same with 1 and 2 exchanged.
    cells = [
        ({(0, 1), (1, 3), (3, 6), (0, 2), (2, 6)}, [0, 1, 2]),
        ({(0, 2), (2, 3), (3, 6), (0, 1), (1, 6)}, [1, 0, 2]),
    ]
    cells.append(({(0, 1), (1, 3), (3, 6), (0, 2), (2, 6)}, [1, 0, 2]))
    rows = [
        [int(edge in edges) for edge in EDGES] + [*operations, 0, 0] for edges, operations in cells
    ]
    same, other, third = classes(space, space.check(np.array(rows))).tolist()
    assert same == other != third


@pytest.mark.parametrize("name", ["nasbench201", "nasbench-macro", "spos-tiny", "darts"])
def test_what_stands_for_a_class_is_in_it_and_stands_for_itself(name: str) -> None:
    space = spaces.get(name)
    codes = space.sample(np.random.default_rng(0), 300)
    chosen = space.representatives(codes)
    together = classes(space, np.concatenate([codes, chosen]))
    assert (together[:300] == together[300:]).all()
    assert (space.representatives(chosen) == chosen).all()
    assert len(np.unique(chosen, axis=0)) == len(np.unique(together))
    assert (space.representatives(codes[100:]) == chosen[100:]).all()


@pytest.mark.parametrize("name", ["nasbench201", "nasbench101", "nasbench-macro", "spos-tiny"])
def test_keys_of_a_class_do_not_hang_on_what_else_is_given(name: str) -> None:
    space = spaces.get(name)
    codes = space.sample(np.random.default_rng(0), 100)
    whole = space.isomorphism_keys(codes)
    assert (space.isomorphism_keys(codes[60:]) == whole[60:]).all()
    _, index = np.unique(whole, axis=0, return_inverse=True)
    assert (index.reshape(-1) == classes(space, codes)).all()

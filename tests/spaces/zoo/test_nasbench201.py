"""NAS-Bench-201: what the benchmark states of its networks, and which cells are one network."""

import csv
import gzip
import itertools
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import spaces
from spaces import formats
from spaces.cells.nasbench201 import Rule, live_edges
from spaces.errors import InvalidParameter
from spaces.zoo.nasbench201 import EDGES, OPERATIONS, NasBench201Space, classes, unique_string

# The benchmark's API on the cell 9930: dataset's space, FLOPs in millions and parameters in
# millions.
STATED = [
    ({}, 184.73, 1.289),
    ({"num_classes": 100}, 184.74, 1.294),
    ({"num_classes": 120, "input_size": 16}, 46.19, 1.296),
]
NONE, SKIP, CONV1, CONV3, POOL = range(5)


@pytest.fixture(scope="module")
def space() -> NasBench201Space:
    found = spaces.get("nasbench201")
    assert isinstance(found, NasBench201Space)
    return found


@pytest.fixture(scope="module")
def cells(space: NasBench201Space) -> NDArray[np.int8]:
    (codes,) = space.enumerate_codes()
    return codes


@pytest.mark.parametrize(("parameters", "macs", "params"), STATED)
def test_counts_are_those_that_the_benchmark_states(
    parameters: dict[str, int], macs: float, params: float
) -> None:
    space = spaces.get("nasbench201", **parameters)
    codes = spaces.get("nasbench201").encode([spaces.published("nasbench201-best-cifar100")])
    assert round(int(space.macs(codes)[0]) / 1e6, 2) == macs
    # The API cuts or rounds: 1.288506 is 1.289, 1.294356 is 1.294, 1.295656 is 1.296.
    assert round(int(space.params(codes)[0]) / 1e6, 3) == params


def test_choices_are_in_the_order_of_the_benchmark(space: NasBench201Space) -> None:
    assert [choice.key for choice in space.choices] == [
        "edge_0_1",
        "edge_0_2",
        "edge_1_2",
        "edge_0_3",
        "edge_1_3",
        "edge_2_3",
    ]
    assert {choice.candidates for choice in space.choices} == {
        ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    }
    assert space.size == 15625


def test_network_is_the_one_of_the_paper(space: NasBench201Space) -> None:
    blocks = space.blocks(spaces.published("nasbench201-resnet"))
    cells = [
        [f"relu_conv k3 s1 {width}x{side}x{side} -> {width}x{side}x{side}"] * 10
        for width, side in ((16, 32), (32, 16), (64, 8))
    ]
    assert [block.key for block in blocks] == [
        "conv k3 s1 3x32x32 -> 16x32x32",
        *cells[0],
        "residual_reduce k3 s2 16x32x32 -> 32x16x16",
        *cells[1],
        "residual_reduce k3 s2 32x16x16 -> 64x8x8",
        *cells[2],
        "linear relu 64x8x8 -> 10",
    ]


def test_cell_sums_its_edges() -> None:
    space = spaces.get("nasbench201", cells=1, input_size=8, channels=4)
    # 1 = conv(0); 2 = conv(0) + pool(1); 3 = 0 + conv(1) + 2
    network = space.network(space.architecture([CONV3, CONV3, POOL, SKIP, CONV1, SKIP])).eval()
    stem, *rest, classifier = network.blocks  # type: ignore[misc]
    x = torch.randn(2, 3, 8, 8)
    value = stem(x)
    for stage in range(3):
        first, second, pool, third = rest[5 * stage : 5 * stage + 4]
        one = first(value)
        two = second(value) + pool(one)
        value = value + third(one) + two
        if stage < 2:
            value = rest[5 * stage + 4](value)
    torch.testing.assert_close(network(x), classifier(value))


def test_dead_edges_are_executed_and_counted(space: NasBench201Space) -> None:
    # Nothing reaches node 1, so its convolution to node 3 has nothing to do.
    dead, without = (
        space.architecture([NONE, SKIP, NONE, NONE, CONV3, SKIP]),
        [NONE, SKIP, NONE, NONE, NONE, SKIP],
    )
    assert len(space.blocks(dead)) == len(space.blocks(space.architecture(without))) + 15
    assert space.graph(dead).num_nodes == space.graph(space.architecture(without)).num_nodes


def test_cells_without_any_path_still_run(space: NasBench201Space) -> None:
    network = space.network(space.architecture([NONE] * 6)).eval()
    with torch.no_grad():
        scores = network(torch.randn(2, 3, 32, 32))
    assert torch.equal(scores[0], scores[1])


# Isomorphic cells


@pytest.mark.parametrize(
    ("rule", "count"), [("official", 6466), ("complete", 5390), ("flat", 4930)]
)
def test_cells_of_one_class_compute_the_same(
    cells: NDArray[np.int8], rule: Rule, count: int
) -> None:
    """With any function for an operation, here a random matrix before a tanh."""
    found, results = classes(cells, rule), computed(cells)
    assert len(np.unique(found)) == count
    np.testing.assert_allclose(results, results[found], atol=1e-9)
    assert (found <= np.arange(len(cells))).all()
    assert (found[found] == found).all()


def test_cells_of_different_flat_classes_compute_different_things(cells: NDArray[np.int8]) -> None:
    assert len(np.unique(computed(cells).round(7), axis=0)) == len(
        np.unique(classes(cells, "flat"))
    )


def test_finer_rules_split_the_classes_of_coarser_ones(cells: NDArray[np.int8]) -> None:
    official, complete, flat = (classes(cells, rule) for rule in get_args(Rule))
    assert (complete[official] == complete).all()
    assert (flat[complete] == flat).all()


def computed(cells: NDArray[np.int8]) -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    matrices = rng.normal(size=(5, 4, 4))
    values = np.zeros((len(cells), 4, 4))
    values[:, 0] = rng.normal(size=4)
    for column, (source, target) in enumerate(EDGES):
        of_source, operation = values[:, source], cells[:, column]
        changed = np.tanh(np.einsum("nij,nj->ni", matrices[operation], of_source))
        changed[operation == NONE] = 0
        values[:, target] += np.where((operation == SKIP)[:, None], of_source, changed)
    return values[:, 3]


def test_strings_of_cells() -> None:
    dead = [CONV3, NONE, SKIP, NONE, NONE, POOL]
    assert unique_string(dead) == "((0)@nor_conv_3x3)@avg_pool_3x3"
    assert unique_string(dead, "official") == "#+#+(#+(0)@nor_conv_3x3)@avg_pool_3x3"
    nested = [SKIP, CONV3, CONV1, POOL, NONE, SKIP]
    assert unique_string(nested) == "(0)@avg_pool_3x3+(0)@nor_conv_1x1+(0)@nor_conv_3x3"
    other = [SKIP, POOL, CONV3, CONV1, NONE, SKIP]
    assert unique_string(other) == "(0)@avg_pool_3x3+(0)@nor_conv_3x3+(0)@nor_conv_1x1"
    assert unique_string(other, "flat") == unique_string(nested, "flat") == unique_string(nested)
    assert unique_string([NONE] * 6) == "#"


def test_class_of_a_cell_does_not_depend_on_the_others(cells: NDArray[np.int8]) -> None:
    rows = np.random.default_rng(0).permutation(len(cells))[:100]
    assert (classes(cells[rows]) == classes(cells)[rows]).all()


def test_live_edges_are_those_on_a_path(cells: NDArray[np.int8]) -> None:
    paths = [
        (0, *between, 3) for count in range(3) for between in itertools.combinations((1, 2), count)
    ]
    expected = np.zeros((len(cells), 6), dtype=bool)
    for path in paths:
        columns = [EDGES.index(edge) for edge in itertools.pairwise(path)]
        whole = (cells[:, columns] != NONE).all(1)
        expected[np.ix_(whole, columns)] = True
    assert (live_edges(cells) == expected).all()


# Graphs


def test_graph_has_live_edges_as_nodes(space: NasBench201Space) -> None:
    graph = space.graph(space.architecture([CONV3, NONE, POOL, SKIP, NONE, CONV1]))
    assert space.operations == [
        "skip_connect",
        "nor_conv_1x1",
        "nor_conv_3x3",
        "avg_pool_3x3",
        "output",
    ]
    # The input, edges 0-1, 1-2, 0-3 and 2-3, the output.
    assert graph.operation.tolist() == [0, 3, 4, 1, 2, 5]
    assert graph.position.tolist() == [0, 1, 3, 4, 6, 7]
    assert sorted(graph.edge_index.T.tolist()) == [[0, 1], [0, 3], [1, 2], [2, 4], [3, 5], [4, 5]]


def test_graph_without_a_path_is_input_and_output(space: NasBench201Space) -> None:
    graph = space.graph(space.architecture([CONV3, NONE, NONE, NONE, NONE, CONV3]))
    assert (graph.operation.tolist(), graph.edge_index.shape[1]) == ([0, 5], 0)


# The benchmark's files


@pytest.mark.reference_data
def test_all_strings_of_the_benchmark_read_back(
    reference_data: Path, space: NasBench201Space
) -> None:
    with gzip.open(reference_data / "nasbench201" / "accuracy.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    architectures = [formats.read(row["arch_str"], "nasbench201") for row in rows]
    codes = space.encode(architectures)
    assert len(np.unique(codes, axis=0)) == len(rows) == 15625
    assert [formats.write(one, "nasbench201") for one in space.decode(codes)] == [
        row["arch_str"] for row in rows
    ]
    best = max(rows, key=lambda row: float(row["cifar10_test_acc"]))
    assert formats.read(best["arch_str"]) == spaces.published("nasbench201-best-cifar10")


def test_size_that_cannot_be_halved_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="multiple of 4, not 30"):
        spaces.get("nasbench201", input_size=30)


def test_operations_are_those_of_the_format() -> None:
    assert formats.nasbench201.OPERATIONS == OPERATIONS
    assert formats.nasbench201.EDGES == EDGES

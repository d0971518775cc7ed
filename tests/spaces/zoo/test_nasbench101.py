"""NAS-Bench-101: which cells there are, the benchmark's hashes and parameters."""

import csv
import gzip
import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import spaces
from spaces.cells.nasbench101 import EDGES, INNER, Cells, all_cells, canonical_matrices
from spaces.errors import InvalidArchitecture, InvalidParameter
from spaces.zoo.nasbench101 import NasBench101Space, graph_hashes

CHAIN = [(0, 1), (1, 2), (2, 6)]


@pytest.fixture(scope="module")
def space() -> NasBench101Space:
    return get("nasbench101")


def get(name: str) -> NasBench101Space:
    found = spaces.get(name)
    assert isinstance(found, NasBench101Space)
    return found


def cell(
    edges: Sequence[tuple[int, int]], operations: Sequence[int] = (0,) * INNER
) -> NDArray[np.int8]:
    bits = [int(edge in edges) for edge in EDGES]
    assert sum(bits) == len(edges)
    return np.array([[*bits, *operations]], dtype=np.int8)


def drawn(seed: int, n: int) -> NDArray[np.int8]:
    """Codes [n, 26] of any bits, valid or not."""
    rng = np.random.default_rng(seed)
    bits = rng.random((n, len(EDGES))) < rng.uniform(0.1, 0.9, (n, 1))
    return np.concatenate([bits, rng.integers(3, size=(n, INNER))], 1).astype(np.int8)


# Which cells there are


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_validity_is_that_of_the_paths(seed: int) -> None:
    space, codes = get("nasbench101"), drawn(seed, 30)
    found = space.valid(codes)
    for row, valid in zip(codes, found, strict=True):
        edges = [edge for edge, bit in zip(EDGES, row, strict=False) if bit]
        kept = {step for path in paths(edges) for step in itertools.pairwise(path)}
        assert valid == (0 < len(kept) <= 9)
        if not valid:
            reason = "no path of edges" if not kept else f"at most 9 edges, not {len(kept)}"
            with pytest.raises(InvalidArchitecture, match=reason):
                space.architecture(row)


def paths(edges: list[tuple[int, int]], start: int = 0) -> list[tuple[int, ...]]:
    """All ways from a vertex to the output."""
    if start == 6:
        return [(6,)]
    return [
        (start, *rest)
        for source, target in edges
        if source == start
        for rest in paths(edges, target)
    ]


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_canonical_form_keeps_the_graph(seed: int) -> None:
    space, codes = get("nasbench101"), drawn(seed, 30)
    codes = codes[space.valid(codes)]
    canonical = space.canonical(codes)
    assert (space.canonical(canonical) == canonical).all()
    assert graph_hashes(canonical) == graph_hashes(codes)
    live = Cells.from_codes(canonical).live[:, 1:-1]
    assert (np.diff(live.astype(int), axis=1) <= 0).all()
    assert (canonical[:, len(EDGES) :][~live] == 0).all()
    for row in codes:  # dead vertices may have any operation and any dead end
        twin = row.copy()
        dead = ~Cells.from_codes(row[None]).live[0, 1:-1]
        twin[len(EDGES) :][dead] = (twin[len(EDGES) :][dead] + 1) % 3
        assert space.architecture(twin) == space.architecture(row)


def test_pruned_equal_cells_are_one_architecture(space: NasBench101Space) -> None:
    plain = space.architecture(cell(CHAIN, (0, 1, 0, 0, 0))[0])
    with_dead_ends = cell([(0, 3), (3, 5), (5, 6), (0, 1), (2, 6), (1, 4)], (2, 2, 0, 2, 1))
    assert space.architecture(with_dead_ends[0]) == plain


def test_all_architectures_are_enumerated_once(space: NasBench101Space) -> None:
    total, last = 0, -1
    weights = 1 << np.arange(len(EDGES) - 1, -1, -1, dtype=np.int64)
    for codes in space.enumerate_codes(batch=1 << 17):
        place = (codes[:, : len(EDGES)] @ weights) * 3**INNER
        place += codes[:, len(EDGES) :] @ 3 ** np.arange(INNER - 1, -1, -1)
        assert place[0] > last
        assert (np.diff(place) > 0).all()
        total, last = total + len(codes), int(place[-1])
    assert total == space.size == 1293208


def test_enumeration_is_that_of_all_bits(space: NasBench101Space) -> None:
    """All bits of cells of three inner vertices, filtered by what valid and canonical say."""
    used = [index for index, (source, target) in enumerate(EDGES) if not {4, 5} & {source, target}]
    codes = np.zeros((1 << len(used), len(EDGES) + INNER), dtype=np.int8)
    codes[:, used] = np.arange(len(codes))[:, None] >> np.arange(len(used)) & 1
    right = codes[space.valid(codes) & (space.canonical(codes) == codes).all(1)]
    matrices, inner = canonical_matrices()
    assert len(right) == (inner <= 3).sum()
    weights = 1 << np.arange(len(EDGES) - 1, -1, -1)
    assert sorted(right[:, : len(EDGES)] @ weights) == matrices[inner <= 3].tolist()


def test_there_are_as_many_graphs_as_the_benchmark_trained() -> None:
    codes = np.concatenate(list(all_cells(1 << 17)))
    found = [refined(codes[start : start + (1 << 16)]) for start in range(0, len(codes), 1 << 16)]
    assert len(np.unique(np.concatenate(found))) == 423624


def refined(codes: NDArray[np.int8]) -> NDArray[np.uint64]:
    """Numbers [n] that relabelled graphs share: each vertex takes up those of its neighbours, as
    the hash does.
    """
    cells = Cells.from_codes(codes)
    adjacency = cells.adjacency.astype(np.uint64)
    labels = np.concatenate(
        [np.full((len(codes), 1), 5), cells.operations, np.full((len(codes), 1), 6)], 1
    )
    state = mixed(labels.astype(np.uint64) + np.uint64(1))
    for _ in range(7):
        entering, leaving = (
            np.einsum("nij,ni->nj", adjacency, state),
            np.einsum("nij,nj->ni", adjacency, state),
        )
        state = mixed(state + mixed(entering) * np.uint64(3) + mixed(leaving) * np.uint64(7))
    return np.where(cells.live, mixed(state), np.uint64(0)).sum(1)


def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values = (values ^ (values >> np.uint64(31))) * np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return values ^ (values >> np.uint64(32))


def test_sampling_is_uniform_over_spellings(space: NasBench101Space) -> None:
    codes = space.sample(np.random.default_rng(0), 20_000)
    inner = Cells.from_codes(codes).live[:, 1:-1].sum(1)
    expected = (
        np.bincount(canonical_matrices()[1], weights=3.0 ** canonical_matrices()[1]) / space.size
    )
    np.testing.assert_allclose(np.bincount(inner, minlength=6) / len(codes), expected, atol=0.01)


# The benchmark's hashes


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_hash_is_that_of_the_graph(seed: int) -> None:
    rng = np.random.default_rng(seed)
    row = get("nasbench101").sample(rng, 1)
    twins = np.concatenate(relabelled(row))
    assert len(set(graph_hashes(twins))) == 1
    others = np.repeat(row, 2, axis=0)
    others[1, len(EDGES)] = (others[1, len(EDGES)] + 1) % 3
    if refined(others)[0] != refined(others)[1]:
        assert len(set(graph_hashes(others))) == 2


def relabelled(row: NDArray[np.int8]) -> list[NDArray[np.int8]]:
    """All codes [1, 26] of the same graph with its vertices in another order."""
    cells = Cells.from_codes(row)
    adjacency, operations = cells.adjacency[0], cells.operations[0]
    live = (np.flatnonzero(cells.live[0, 1:-1]) + 1).tolist()
    rest = [vertex for vertex in range(1, INNER + 1) if vertex not in live]
    found = []
    for order in itertools.permutations(live):
        vertices = [0, *order, *rest, 6]
        moved = adjacency[np.ix_(vertices, vertices)]
        if not np.tril(moved).any():
            found.append(
                np.array(
                    [[*(moved[edge] for edge in EDGES), *operations[np.array(vertices[1:-1]) - 1]]],
                    dtype=np.int8,
                )
            )
    return found


def test_hash_follows_the_texts_of_the_release() -> None:
    first, last = md5("(1, 0, -1)"), md5("(0, 1, -2)")  # edges out, edges in, label
    for _ in range(2):
        first, last = md5(f"|{last}|{first}"), md5(f"{first}||{last}")
    assert graph_hashes(cell([(0, 6)])) == [md5(str(sorted([first, last])))]


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


# Parameters and channels


def test_introduction_of_the_release_states_the_parameters(space: NasBench101Space) -> None:
    architecture = spaces.published("nasbench101-inception")
    assert space.params(architecture) == 2694282
    assert sum(value.numel() for value in space.network(architecture).parameters()) == 2694282


@pytest.mark.parametrize(
    ("edges", "outputs", "expected"),
    [
        ([(0, 6)], 128, [0, 0, 0, 0, 0, 128]),
        (CHAIN, 128, [128, 128, 0, 0, 0, 128]),
        ([(0, 1), (0, 2), (0, 3), (1, 6), (2, 6), (3, 6)], 128, [43, 43, 42, 0, 0, 128]),
        ([(0, 1), (0, 2), (0, 3), (1, 6), (2, 6), (3, 6)], 256, [86, 85, 85, 0, 0, 256]),
        # 1 leads to 2 and 3 only, and takes the wider one's channels.
        ([(0, 1), (1, 2), (1, 3), (2, 6), (3, 6), (0, 6)], 129, [65, 65, 64, 0, 0, 129]),
        ([(0, 1), (1, 2), (0, 3), (3, 4), (2, 6), (3, 6), (4, 6)], 11, [4, 4, 4, 3, 0, 11]),
    ],
)
def test_channels_are_shared_out(
    edges: list[tuple[int, int]], outputs: int, expected: list[int]
) -> None:
    assert Cells.from_codes(cell(edges)).channels(outputs)[0, 1:].tolist() == expected


def test_blocks_of_a_cell() -> None:
    space = get("nasbench101(stem_channels=12, stacks=2, modules=1, input_size=8)")
    edges = [(0, 1), (1, 2), (0, 2), (1, 6), (2, 6), (0, 6)]
    blocks = space.blocks(space.architecture(cell(edges, (0, 2, 0, 0, 0))[0]))
    assert [block.key for block in blocks] == [
        "conv k3 s1 relu 3x8x8 -> 12x8x8",
        "conv k1 s1 relu 12x8x8 -> 6x8x8",
        "conv k3 s1 relu 6x8x8 -> 6x8x8",
        "conv k1 s1 relu 12x8x8 -> 6x8x8",
        "max_pool k3 s1 6x8x8 -> 6x8x8",
        "conv k1 s1 relu 12x8x8 -> 12x8x8",
        "max_pool k2 s2 12x8x8 -> 12x4x4",
        "conv k1 s1 relu 12x4x4 -> 12x4x4",
        "conv k3 s1 relu 12x4x4 -> 12x4x4",
        "conv k1 s1 relu 12x4x4 -> 12x4x4",
        "max_pool k3 s1 12x4x4 -> 12x4x4",
        "conv k1 s1 relu 12x4x4 -> 24x4x4",
        "linear 24x4x4 -> 10",
    ]


def test_module_truncates_adds_and_concatenates() -> None:
    space = get("nasbench101(stem_channels=9, stacks=1, modules=1, input_size=8)")
    edges = [(0, 1), (1, 2), (1, 3), (2, 3), (2, 6), (3, 6), (0, 3), (0, 6)]
    network: Any = space.network(space.architecture(cell(edges, (0, 1, 2, 0, 0))[0])).eval()
    stem, input_1, conv_1, conv_2, input_3, pool_3, output, classifier = network.blocks
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        value = stem(x)
        one = conv_1(input_1(value))
        two = conv_2(one)
        three = pool_3(
            one[:, :4] + two[:, :4] + input_3(value)
        )  # 9 channels are shared out as 5 and 4
        expected = classifier(torch.cat([two, three], 1) + output(value))
        torch.testing.assert_close(network(x), expected)


def test_every_listed_block_occurs() -> None:
    space = get("nasbench101(stem_channels=10, stacks=2, modules=2)")
    keys, counts = space.block_counts(space.sample(np.random.default_rng(0), 20_000))
    assert [key for key, count in zip(keys, counts.sum(0), strict=True) if not count] == []


# Graphs


def test_graph_is_the_pruned_cell(space: NasBench101Space) -> None:
    codes = cell([(0, 2), (2, 4), (0, 6), (4, 6), (1, 2), (4, 5)], (2, 1, 0, 2, 0))
    graph = space.graph(space.architecture(codes[0]))
    assert space.operations == ["conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3", "output"]
    assert graph.operation.tolist() == [0, 2, 3, 4]
    assert graph.position.tolist() == [0, 1, 2, 6]
    assert sorted(graph.edge_index.T.tolist()) == [[0, 1], [0, 3], [1, 2], [2, 3]]


# Bad input


@pytest.mark.parametrize(
    ("parameters", "named"),
    [({"stem_channels": 3}, "stem_channels is 3"), ({"input_size": 30}, "multiple of 4, not 30")],
)
def test_sizes_that_cannot_be_built_are_refused(parameters: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidParameter, match=named):
        spaces.get("nasbench101", **parameters)


# The benchmark's rows


@pytest.fixture(scope="module")
def rows(reference_data: Path) -> list[dict[str, str]]:
    with gzip.open(reference_data / "nasbench101" / "subset.csv.gz", "rt") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def recorded(rows: list[dict[str, str]]) -> NDArray[np.int8]:
    codes = np.zeros((len(rows), len(EDGES) + INNER), dtype=np.int8)
    for row, codes_of in zip(rows, codes, strict=True):
        inner = int(row["n"]) - 2
        vertices = [0, *range(1, inner + 1), 6]
        for edge, bit in zip(itertools.combinations(vertices, 2), row["adjacency"], strict=True):
            codes_of[EDGES.index(edge)] = int(bit)
        codes_of[len(EDGES) : len(EDGES) + inner] = [int(operation) for operation in row["ops"]]
    return codes


@pytest.mark.reference_data
def test_rows_are_architectures_with_the_recorded_hashes(
    space: NasBench101Space, rows: list[dict[str, str]], recorded: NDArray[np.int8]
) -> None:
    assert len(rows) == 30001
    assert (space.check(recorded) == recorded).all()
    assert graph_hashes(recorded) == [row["hash"] for row in rows]


@pytest.mark.reference_data
def test_parameters_are_the_recorded_ones_but_for_the_labelling(
    space: NasBench101Space, rows: list[dict[str, str]], recorded: NDArray[np.int8]
) -> None:
    params, expected = space.params(recorded), np.array([int(row["params"]) for row in rows])
    assert (params == expected).mean() > 0.96
    assert np.abs(params / expected - 1).max() < 0.015
    for index in np.flatnonzero(params != expected)[::10]:
        twins = np.concatenate(relabelled(recorded[index : index + 1]))
        assert expected[index] in space.params(twins)

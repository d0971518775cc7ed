"""NAS-Bench-1Shot1: the published counts, and networks that are those of NAS-Bench-101."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import spaces
from spaces.cells.nasbench101 import OPERATIONS, Cells
from spaces.errors import InvalidParameter
from spaces.zoo.nasbench1shot1 import PARENTS, NasBench1Shot1Space

SMALL = "stem_channels=9, stacks=2, modules=1, input_size=8"


def get(subspace: int, parameters: str = SMALL) -> NasBench1Shot1Space:
    space = spaces.get(f"nasbench1shot1(subspace={subspace}, {parameters})")
    assert isinstance(space, NasBench1Shot1Space)
    return space


def wirings(space: NasBench1Shot1Space) -> NDArray[Any]:
    """All sets of parents, with the first operation everywhere: codes [n, choices]."""
    open_parents = [choice for choice in space.choices if choice.key.startswith("parents_")]
    parents = list(itertools.product(*(range(len(choice.candidates)) for choice in open_parents)))
    codes = np.zeros((len(parents), len(space.choices)), dtype=np.int8)
    codes[:, : len(open_parents)] = parents
    return codes


# How many cells there are


@pytest.mark.parametrize(
    ("subspace", "published"), [(1, 6240), (2, 29160), (3, 363648)], ids=["1", "2", "3"]
)
def test_sets_of_parents_and_operations_are_as_many_as_published(
    subspace: int, published: int
) -> None:
    """Table 1, with loose ends: the operations of vertices that have a child, in all wirings.

    For the second sub-space the table has the operations of all four vertices.
    """
    space = get(subspace)
    codes = wirings(space)
    edges = space.module_codes(codes)
    matrix = np.zeros((len(codes), 7, 7), dtype=int)
    sources, targets = zip(*itertools.combinations(range(7), 2), strict=True)
    matrix[:, sources, targets] = edges[:, :21]

    assert (matrix.sum((1, 2)) == 9).all()
    with_children = (matrix[:, 1 : space.vertices + 1].sum(2) > 0).sum(1)
    exponents = np.full(len(codes), 4) if subspace == 2 else with_children

    assert (len(OPERATIONS) ** exponents).sum() == published


@pytest.mark.parametrize(("subspace", "networks"), [(1, 3702), (2, 12474), (3, 135900)])
def test_size_is_the_number_of_wirings_without_dead_vertices(subspace: int, networks: int) -> None:
    """Counted again by following the parents from the output."""
    counts = PARENTS[subspace]
    output = len(counts)
    found: dict[tuple[tuple[int, ...], ...], int] = {}
    options = [
        itertools.combinations(range(vertex), count) for vertex, count in enumerate(counts, 1)
    ]
    for wiring in itertools.product(*options):
        live: set[int] = set()
        pending = [output]
        while pending:
            vertex = pending.pop()
            if vertex and vertex not in live:
                live.add(vertex)
                pending += wiring[vertex - 1]
        found[tuple((vertex, *wiring[vertex - 1]) for vertex in sorted(live))] = len(live) - 1

    assert sum(len(OPERATIONS) ** inner for inner in found.values()) == networks
    assert get(subspace).size == networks


def test_enumeration_has_every_cell_once() -> None:
    space = get(1)
    codes = np.concatenate(list(space.enumerate_codes()))

    assert len(codes) == space.size
    assert len(np.unique(space.module_codes(codes), axis=0)) == space.size


# Networks


@pytest.mark.parametrize("subspace", PARENTS)
def test_networks_are_those_of_the_cells_of_nasbench101(subspace: int) -> None:
    space, whole = get(subspace), spaces.get(f"nasbench101({SMALL})")
    codes = space.sample(np.random.default_rng(subspace), 6)
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    cells = whole.check(space.module_codes(codes))

    assert (Cells.from_codes(cells).edges() <= 9).all()
    assert space.macs(codes).tolist() == whole.macs(cells).tolist()
    assert (space.isomorphism_keys(codes) == whole.isomorphism_keys(cells)).all()
    for row, cell in zip(codes, cells, strict=True):
        network = space.network(space.architecture(row)).eval()
        other = whole.network(whole.architecture(cell)).eval()
        other.load_state_dict(network.state_dict())
        with torch.no_grad():
            torch.testing.assert_close(network(images), other(images))


def test_network_is_that_of_its_equations() -> None:
    """The second vertex adds its two parents; the output joins vertices and adds the input."""
    space = get(1, "stem_channels=8, stacks=1, modules=1, input_size=8")
    architecture = space.architecture(
        {
            "parents_3": "0+1",
            "parents_4": "2+3",
            "parents_5": "2+4",
            "op_1": "conv1x1-bn-relu",
            "op_2": "maxpool3x3",
            "op_3": "conv3x3-bn-relu",
            "op_4": "conv3x3-bn-relu",
        }
    )
    network: Any = space.network(architecture).eval()
    stem, input_1, op_1, input_2, op_2, input_3, op_3, op_4, classifier = network.blocks
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))

    with torch.no_grad():
        value = stem(images)
        one = op_1(input_1(value))
        two = op_2(one[:, :4] + input_2(value))
        three = op_3(one[:, :4] + input_3(value))
        four = op_4(two + three)
        expected = classifier(torch.cat([two, four], 1))

        torch.testing.assert_close(network(images), expected)


def test_supernet_shares_the_vertices_of_the_space() -> None:
    space = get(2)
    supernet: Any = space.supernet().eval()
    assert not any("vertex_5" in name for name in supernet.places)

    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    for architecture in space.decode(space.sample(np.random.default_rng(0), 3)):
        supernet.activate(architecture)
        network: Any = space.network(architecture).eval()
        with torch.no_grad():
            # Narrow layers have the first channels of the supernet's.
            for block, shared in zip(network.blocks, supernet.path(), strict=True):
                weights = zip(block.modules(), shared.modules(), strict=True)
                for layer, wide in weights:
                    if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
                        rows, columns = layer.weight.shape[:2]
                        layer.weight.copy_(wide.weight[:rows, :columns])
            torch.testing.assert_close(supernet(images), network(images))


def test_every_listed_block_occurs() -> None:
    for subspace in PARENTS:
        space = get(subspace)
        keys, counts = space.block_counts(space.sample(np.random.default_rng(0), 20_000))
        assert [key for key, count in zip(keys, counts.sum(0), strict=True) if not count] == []


def test_unknown_sub_space_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="subspace is 1, 2 or 3, not 4"):
        spaces.get("nasbench1shot1(subspace=4)")

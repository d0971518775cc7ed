"""Features: what they count, and that equal networks share them."""

import numpy as np
import pytest
import torch

import spaces
from predictor.encoders.dense_graphs import DenseGraphs
from predictor.features.chains import layers
from predictor.features.groups import groups
from predictor.features.labels import Labels
from predictor.features.paths import sequences, statistics
from spaces.cells.nasbench201 import OPERATIONS, classes

CELLS = spaces.get("nasbench201")


def codes_of(text: str) -> list[int]:
    """A cell of NAS-Bench-201: n none, s skip, 1 and 3 convolutions, p pooling."""
    return ["ns13p".index(letter) for letter in text]


def test_words_of_names_make_sets() -> None:
    labels = Labels.from_operations(CELLS.operations)
    assert labels.names[:3] == OPERATIONS[2:]
    convolutions = labels.member[:, labels.names.index("conv")]
    assert [CELLS.operations[i - 1] for i in np.flatnonzero(convolutions)] == [
        "nor_conv_1x1",
        "nor_conv_3x3",
    ]
    assert [CELLS.operations[label - 1] for label in labels.solid] == list(OPERATIONS[2:])
    assert len({tuple(column) for column in labels.member.T}) == len(labels.names)


def test_statistics_of_paths_by_hand() -> None:
    # Paths: 0-1-2-3 with 3x3, pool, 1x1; 0-2-3 with skip, 1x1; 0-3 with 3x3; node 1 leads to 2
    # alone.
    codes = np.array([codes_of("3sp3n1")], dtype=np.int8)
    labels = Labels.from_operations(CELLS.operations)
    found = statistics(DenseGraphs.from_batch(CELLS.graphs(codes)), labels)[0]
    sets = len(labels.names)
    wide, convs, every = (labels.names.index(name) for name in ("nor_conv_3x3", "conv", "any"))
    count, most, least, mean, holding = (
        found[part * sets : (part + 1) * sets] for part in range(5)
    )
    assert (count[wide], most[wide], least[wide], holding[wide]) == (2, 1, 0, 2)
    assert (count[convs], most[convs], least[convs], holding[convs]) == (3, 2, 1, 3)
    assert mean[convs] == pytest.approx(4 / 3)
    assert (count[every], most[every], least[every]) == (4, 3, 1)
    assert found[5 * sets] == 3  # paths
    assert found[5 * sets + 2] == 0
    assert found[5 * sets + 3] == 1  # the skip


def test_a_cell_without_a_path() -> None:
    codes = np.zeros((1, 6), dtype=np.int8)
    labels = Labels.from_operations(CELLS.operations)
    found = statistics(DenseGraphs.from_batch(CELLS.graphs(codes)), labels)[0]
    sets = len(labels.names)
    assert found[5 * sets + 2] == 1
    assert (found[sets : 4 * sets] == -1).all()


def test_sequences_are_the_paths_spelt() -> None:
    labels = Labels.from_operations(CELLS.operations)
    rng = np.random.default_rng(0)
    codes = CELLS.sample(rng, 200)
    counts = sequences(DenseGraphs.from_batch(CELLS.graphs(codes)), labels)
    edges = {(0, 1): 0, (0, 2): 1, (1, 2): 2, (0, 3): 3, (1, 3): 4, (2, 3): 5}
    routes = [[(0, 3)], [(0, 1), (1, 3)], [(0, 2), (2, 3)], [(0, 1), (1, 2), (2, 3)]]
    for row, found in zip(codes, counts, strict=True):
        expected: dict[int, int] = {}
        for route in routes:
            taken = [int(row[edges[edge]]) for edge in route]
            if 0 not in taken:
                digits = [code - 2 for code in taken if code > 1]
                start = sum(3**size for size in range(len(digits)))
                place = start + sum(
                    digit * 3 ** (len(digits) - 1 - at) for at, digit in enumerate(digits)
                )
                expected[place] = expected.get(place, 0) + 1
        assert {int(place): int(found[place]) for place in np.flatnonzero(found)} == expected


def test_cells_of_one_class_have_the_same_features() -> None:
    codes = CELLS.sample(np.random.default_rng(1), 2000)
    for values in groups(CELLS, codes).values():
        for number in np.unique(classes(codes))[:100]:
            same = values[classes(codes) == number]
            assert (same == same[0]).all()


def test_networks_with_identities_elsewhere_have_the_same_features() -> None:
    space = spaces.get("nasbench-macro")
    pair = space.check(np.array([[1, 1, 2, 0, 1, 2, 2, 0], [1, 1, 2, 1, 0, 2, 0, 2]]))
    for values in groups(space, pair).values():
        assert np.array_equal(values[0], values[1])


def test_layers_of_chains_by_hand() -> None:
    space = spaces.get("nasbench-macro")
    codes = space.check(np.array([[0, 0, 1, 0, 2, 2, 2, 2], [2] * 8]))
    each, running = (found.reshape(2, 8, 2) for found in layers(space, codes))
    assert each[0, :, 0].tolist() == [
        0,
        0,
        1,
        0,
        1,
        1,
        1,
        1,
    ]  # an identity that halves the image sees no neighbour
    assert (each[1] == 1).all()
    assert running[1, :, 1].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    costs = [
        sum(block.macs for block in blocks) for blocks in space.choice_layers[2].candidates.values()
    ]
    assert each[0, 2, 1] == pytest.approx(costs[1] / max(costs))
    np.testing.assert_allclose(np.diff(running, axis=1), each[:, 1:], atol=1e-6)


def test_no_architectures_have_layers_of_the_same_width() -> None:
    space = spaces.get("spos-tiny")
    each, running = layers(space, np.zeros((0, len(space.choices)), dtype=np.int8))
    assert each.shape == running.shape == (0, 2 * len(space.choices))


@pytest.mark.parametrize(
    "name", ["nasbench201", "nasbench101", "darts-tiny", "spos-tiny", "ofa-mobilenetv3"]
)
def test_features_are_finite_and_do_not_depend_on_company(name: str) -> None:
    space = spaces.get(name)
    codes = space.sample(np.random.default_rng(0), 30)
    together, alone = groups(space, codes), groups(space, np.asfortranarray(codes[7:8]))
    for key, values in together.items():
        assert np.isfinite(values).all()
        assert np.array_equal(values[7:8], alone[key])


def test_features_of_a_users_own_model() -> None:
    from spaces.modules.choices import LayerChoice

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = LayerChoice(
                {"conv3": torch.nn.Conv2d(3, 4, 3, padding=1), "conv1": torch.nn.Conv2d(3, 4, 1)}
            )
            self.second = LayerChoice(
                {"skip": torch.nn.Identity(), "conv3": torch.nn.Conv2d(4, 4, 3, padding=1)}
            )
            self.head = torch.nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.head(self.second(self.first(x)).mean((2, 3)))
            return out

    space = spaces.from_model(Model(), torch.zeros(1, 3, 8, 8))
    codes = np.concatenate(list(space.enumerate_codes()))
    found = groups(space, codes)
    assert len(np.unique(np.concatenate(list(found.values()), axis=1), axis=0)) == 4

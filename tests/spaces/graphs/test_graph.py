"""Architectures as graphs: what they hold, and that a batch is its graphs."""

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GINConv, global_mean_pool

import spaces
from spaces import ChainSpace, SearchSpace


@pytest.fixture(scope="module")
def tiny() -> SearchSpace:
    return spaces.get("spos-tiny")


def test_graph_is_a_path_of_labelled_nodes(tiny: SearchSpace) -> None:
    graph = tiny.graph(tiny.architecture([2, 1, 0, 3, 2, 1]))
    assert type(graph) is Data
    assert set(graph.keys()) == {"edge_index", "operation", "position", "num_nodes"}
    assert graph.operation.tolist() == [0, 3, 2, 1, 4, 3, 2]
    assert graph.position.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert graph.edge_index.tolist() == [[0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6]]
    assert graph.num_nodes == 7
    assert {graph[key].dtype for key in ("edge_index", "operation", "position")} == {torch.int64}
    graph.validate()


def test_labels_are_of_names_and_not_of_codes() -> None:
    layers = [
        spaces.ChoiceLayer("first", {"a": (), "b": ()}),
        spaces.ChoiceLayer("second", {"b": (), "c": (), "a": ()}),
    ]

    def classifier(classes: int) -> spaces.Block:
        return spaces.Block("classifier", (3, 4, 4), (classes,))

    space = ChainSpace(
        "names",
        [*layers, classifier(2)],
        (3, 4, 4),
        2,
        classifier,
        lambda: lambda module, rng: None,
    )
    assert space.operations == ["a", "b", "c"]
    assert space.graphs(np.array([[1, 0], [0, 2], [1, 1]])).operation.tolist() == [
        0,
        2,
        2,
        0,
        1,
        1,
        0,
        2,
        3,
    ]


@pytest.mark.parametrize("name", ["spos", "spos-tiny"])
def test_batch_equals_collated_graphs(name: str) -> None:
    space = spaces.get(name)
    codes = space.sample(np.random.default_rng(0), 5)
    architectures = space.decode(codes)
    batch, singles = (
        space.graphs(codes),
        [space.graph(architecture) for architecture in architectures],
    )
    collated = Batch.from_data_list(singles)
    assert set(batch.keys()) == set(collated.keys())
    for key in collated.keys():  # noqa: SIM118
        assert equal(batch[key], collated[key]), key
    assert batch.num_graphs == collated.num_graphs == len(batch) == 5
    assert batch.num_nodes == collated.num_nodes
    taken = [batch.get_example(index) for index in range(5)]
    for graphs in (
        batch.to_data_list(),
        taken,
        list(space.graphs(architectures).to_data_list()),
        collated[0:5],
    ):
        for one, single in zip(graphs, singles, strict=True):
            assert set(one.keys()) == set(single.keys())
            assert all(equal(one[key], single[key]) for key in single.keys())  # noqa: SIM118


def equal(one: torch.Tensor | int, other: torch.Tensor | int) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return type(one) is type(other) and one == other


def test_batch_knows_its_graphs(tiny: SearchSpace) -> None:
    batch = tiny.graphs(tiny.sample(np.random.default_rng(0), 3))
    assert isinstance(batch, Batch)
    assert batch.ptr.tolist() == [0, 7, 14, 21]
    assert batch.batch.tolist() == [0] * 7 + [1] * 7 + [2] * 7


def test_batch_passes_through_message_passing(tiny: SearchSpace) -> None:
    codes = tiny.sample(np.random.default_rng(0), 6)
    layer = GINConv(torch.nn.Linear(8, 4))
    embedding = torch.nn.Embedding(5, 8)

    def scores(batch: Batch) -> torch.Tensor:
        nodes = layer(embedding(batch.operation), batch.edge_index)
        return global_mean_pool(nodes, batch.batch, size=batch.num_graphs)

    together = scores(tiny.graphs(codes))
    assert together.shape == (6, 4)
    alone = torch.cat([scores(tiny.graphs(codes[index : index + 1])) for index in range(6)])
    torch.testing.assert_close(together, alone)
    loaded = [
        scores(batch) for batch in DataLoader(tiny.graphs(codes).to_data_list(), batch_size=4)
    ]
    torch.testing.assert_close(together, torch.cat(loaded))


def test_batch_of_none_and_of_one(tiny: SearchSpace) -> None:
    none, one = tiny.graphs([]), tiny.graphs([tiny.architecture([0] * 6)])
    assert (none.num_graphs, none.operation.shape, none.edge_index.shape) == (0, (0,), (2, 0))
    assert none.to_data_list() == []
    assert (one.num_graphs, one.operation.tolist()) == (1, [0, 1, 1, 1, 1, 1, 1])


def test_batch_moves_as_a_whole(tiny: SearchSpace) -> None:
    batch = tiny.graphs(tiny.sample(np.random.default_rng(0), 3)).to("meta")
    assert {
        batch[key].device.type for key in ("operation", "position", "edge_index", "batch", "ptr")
    } == {"meta"}

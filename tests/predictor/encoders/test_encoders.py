"""What holds for every encoder beside GATES."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch_geometric.data import Batch, Data

import spaces
from predictor.encoders.base import Encoder
from predictor.encoders.dense_graphs import DenseGraphs
from predictor.encoders.gcn import GcnEncoder
from predictor.encoders.lstm import LstmEncoder
from predictor.encoders.mlp import MlpEncoder
from predictor.encoders.positions import informative_positions
from predictor.encoders.ta_gates import TaGatesEncoder
from predictor.encoders.transformer import TransformerEncoder, with_paths
from predictor.ensemble.losses import loss
from predictor.metrics import kendall_tau
from spaces import InputChoice, LayerChoice, ValueChoice
from spaces.space import Codes, SearchSpace

ON_GRAPHS: list[type[Encoder]] = [GcnEncoder, TransformerEncoder, TaGatesEncoder]
ALL: list[type[Encoder]] = [MlpEncoder, LstmEncoder, *ON_GRAPHS]
SMALL: dict[type[Encoder], dict[str, Any]] = {
    MlpEncoder: {"channels": 8, "hidden": (32, 32)},
    LstmEncoder: {"channels": 16, "hidden": 32, "head": (32,)},
    GcnEncoder: {"channels": 16, "hidden": 32, "layers": 3},
    TransformerEncoder: {"channels": 16, "heads": 2, "layers": 2, "hidden": 32, "head": 32},
    TaGatesEncoder: {
        "operation_channels": 16,
        "state_channels": 16,
        "hidden": 32,
        "layers": 3,
        "head": (32,),
    },
}

encoders = pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
graph_encoders = pytest.mark.parametrize("kind", ON_GRAPHS, ids=lambda kind: kind.name)


def fresh(kind: type[Encoder], space: SearchSpace, seed: int = 0, **config: Any) -> Encoder:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return kind.from_space(space, **{**SMALL[kind], **config})


def scores(encoder: Encoder, space: SearchSpace, codes: Codes) -> Tensor:
    with torch.inference_mode():
        return encoder.eval()(encoder.inputs(space, codes))


def sample(space: SearchSpace, count: int, seed: int = 0) -> Codes:
    return space.sample(np.random.default_rng(seed), count)


class Branching(nn.Module):
    """A model with every kind of choice, one inside another."""

    def __init__(self) -> None:
        super().__init__()
        inner = LayerChoice(
            {"wide": nn.Conv2d(4, 4, 3, 1, 1), "narrow": nn.Conv2d(4, 4, 1)}, key="inner"
        )
        self.stem = nn.Conv2d(3, 4, 3)
        self.outer = LayerChoice(
            {"identity": nn.Identity(), "deep": nn.Sequential(nn.ReLU(), inner)}, key="outer"
        )
        self.joined = InputChoice(2, n_chosen=None, reduction="sum", key="joined")
        self.rate = ValueChoice([0.1, 0.5], key="rate")
        self.tail = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))

    def forward(self, x: Tensor) -> Tensor:
        stem = self.stem(x)
        kept = self.joined([stem, self.outer(stem)])
        return self.tail(stem if kept is None else stem + self.rate() * kept)


def branching() -> SearchSpace:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return spaces.from_model(Branching(), torch.zeros(2, 3, 8, 8))


# Shapes and spaces


@encoders
@pytest.mark.parametrize("name", spaces.available())
def test_every_space_can_be_encoded(kind: type[Encoder], name: str) -> None:
    space = spaces.get(name)
    # In a small space two samples may be one network.
    codes = sample(space, 64)
    _, first = np.unique(space.representatives(codes), axis=0, return_index=True)
    found = scores(fresh(kind, space), space, codes[np.sort(first)[:3]])

    assert found.shape == (3,)
    assert found.dtype == torch.float32
    assert found.isfinite().all()
    assert len(set(found.tolist())) == 3


@encoders
def test_a_users_model_can_be_encoded(kind: type[Encoder]) -> None:
    space = branching()
    every = np.concatenate(list(space.enumerate_codes()))
    found = scores(fresh(kind, space), space, every)
    assert found.shape == (space.size,)
    assert found.isfinite().all()
    assert len(set(found.tolist())) > space.size // 2


@encoders
@pytest.mark.parametrize("name", ["nasbench201", "spos-tiny"])
def test_features_are_what_the_score_is_made_of(kind: type[Encoder], name: str) -> None:
    space = spaces.get(name)
    encoder: Any = fresh(kind, space).eval()
    inputs = encoder.inputs(space, sample(space, 5))
    features = encoder.features(inputs)
    head = encoder.heads[-1] if kind is TaGatesEncoder else encoder.head
    assert features.shape == (5, head[0].in_features)
    torch.testing.assert_close(head(features)[:, 0], encoder(inputs))


@encoders
@pytest.mark.parametrize("name", ["nasbench201", "nasbench101", "darts-tiny"])
def test_a_batch_is_scored_as_its_architectures_one_by_one(kind: type[Encoder], name: str) -> None:
    space = spaces.get(name)
    codes, encoder = sample(space, 6), fresh(kind, space)
    alone = torch.cat([scores(encoder, space, codes[row : row + 1]) for row in range(6)])
    torch.testing.assert_close(scores(encoder, space, codes), alone)


@graph_encoders
def test_a_cell_without_operations_is_scored(kind: type[Encoder]) -> None:
    space = spaces.get("nasbench201")
    encoder = fresh(kind, space)
    codes = space.check(np.array([[0] * 6, [3] * 6]))
    together = scores(encoder, space, codes)
    assert together.isfinite().all()
    torch.testing.assert_close(together[:1], scores(encoder, space, codes[:1]))


# Graphs


def batched(kind: type[Encoder], graphs: list[Data]) -> Any:
    dense = DenseGraphs.from_batch(Batch.from_data_list(graphs))
    return with_paths(dense) if kind is TransformerEncoder else dense


def relabelled(graph: Data, order: Tensor, turned: bool = False) -> Data:
    edges = torch.argsort(order)[graph.edge_index]
    return Data(
        operation=graph.operation[order],
        position=graph.position[order],
        edge_index=edges.flip(0) if turned else edges,
        num_nodes=len(order),
    )


@graph_encoders
@pytest.mark.parametrize("name", ["nasbench201", "nasbench101", "spos-tiny", "darts-tiny"])
def test_scores_do_not_depend_on_the_order_of_nodes(kind: type[Encoder], name: str) -> None:
    space = spaces.get(name)
    graphs = [space.graphs(row[None]).get_example(0) for row in sample(space, 4)]
    generator = torch.Generator().manual_seed(1)
    moved = [
        relabelled(graph, torch.randperm(len(graph.operation), generator=generator))
        for graph in graphs
    ]
    encoder = fresh(kind, space).eval()
    with torch.inference_mode():
        torch.testing.assert_close(
            encoder(batched(kind, moved)), encoder(batched(kind, graphs)), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize(
    ("name", "told"), [("nasbench201", 0), ("nasbench101", 0), ("darts-tiny", 19), ("spos-tiny", 6)]
)
def test_positions_are_told_where_they_tell_something(name: str, told: int) -> None:
    assert informative_positions(spaces.get(name)) == told


@graph_encoders
def test_isomorphic_cells_have_one_score(kind: type[Encoder]) -> None:
    # A convolution behind the input and a skip behind it, by way of either inner node.
    space = spaces.get("nasbench201")
    codes = space.check(np.array([[3, 0, 0, 0, 1, 0], [0, 3, 0, 0, 0, 1], [1, 0, 0, 0, 3, 0]]))
    one, same, other = scores(fresh(kind, space), space, codes)
    torch.testing.assert_close(one, same)
    assert not torch.isclose(one, other)
    one, same, _ = scores(fresh(kind, space, positions=space.positions), space, codes)
    assert not torch.isclose(one, same)


@graph_encoders
def test_edges_count(kind: type[Encoder]) -> None:
    space = spaces.get("nasbench101")
    graph = space.graphs(sample(space, 1)).get_example(0)
    fewer = graph.clone()
    fewer.edge_index = graph.edge_index[:, 1:]
    turned = relabelled(graph, torch.arange(len(graph.operation)), turned=True)
    encoder = fresh(kind, space).eval()
    with torch.inference_mode():
        found = encoder(batched(kind, [graph, fewer, turned]))
    assert (found[0] - found[1:]).abs().min() > 1e-5


# Training


@encoders
def test_same_seed_same_weights_and_scores(kind: type[Encoder]) -> None:
    space = spaces.get("nasbench201")
    state = torch.get_rng_state()
    one, same, other = (fresh(kind, space, seed) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(
        torch.equal(first, second)
        for first, second in zip(one.parameters(), same.parameters(), strict=True)
    )
    codes = sample(space, 4)
    assert torch.equal(scores(one, space, codes), scores(same, space, codes))
    assert not torch.allclose(scores(one, space, codes), scores(other, space, codes))


@encoders
@pytest.mark.parametrize("name", ["nasbench101", "spos-tiny"])
def test_weights_are_all_that_an_encoder_keeps(kind: type[Encoder], name: str) -> None:
    space = spaces.get(name)
    one, other = fresh(kind, space, seed=1), fresh(kind, space, seed=2)
    other.load_state_dict(one.state_dict())
    assert set(one.state_dict()) == set(dict(one.named_parameters()))
    codes = sample(space, 4)
    assert torch.equal(scores(one, space, codes), scores(other, space, codes))


@encoders
def test_every_weight_is_trained(kind: type[Encoder]) -> None:
    space = spaces.get("nasbench201")
    encoder = fresh(kind, space).train()
    torch.autograd.backward(encoder(encoder.inputs(space, sample(space, 32))).sum())
    assert [name for name, weight in encoder.named_parameters() if weight.grad is None] == []


def additive(space: SearchSpace, codes: Codes) -> NDArray[np.float64]:
    """Each candidate has a worth, and each choice a weight."""
    rng = np.random.default_rng(0)
    worth, weight = (
        np.linspace(0, 1, int(space.candidates.max())),
        rng.uniform(0.5, 1.5, len(space.choices)),
    )
    return worth[codes] @ weight


@encoders
@pytest.mark.parametrize(("name", "least"), [("nasbench201", 0.6), ("spos-tiny", 0.7)])
def test_a_simple_target_is_learned_from_64_architectures(
    kind: type[Encoder], name: str, least: float
) -> None:
    space = spaces.get(name)
    encoder = fresh(kind, space, dropout=0.0).train()
    codes = sample(space, 64)
    inputs, values = encoder.inputs(space, codes), torch.from_numpy(additive(space, codes)).float()
    optimizer, hinge = torch.optim.Adam(encoder.parameters(), lr=3e-3), loss("hinge")
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        optimizer.zero_grad()
        torch.autograd.backward(hinge(encoder(inputs), values, generator))
        optimizer.step()
    unseen = sample(space, 300, seed=1)
    assert (
        kendall_tau(scores(encoder, space, unseen).double().numpy(), additive(space, unseen))
        > least
    )

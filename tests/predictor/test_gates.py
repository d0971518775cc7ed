"""The GATES layer and encoder."""

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data

import spaces
from predictor.encoders.gates import GatesConv, GatesEncoder
from predictor.losses import pairwise_hinge


def encoder() -> GatesEncoder:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return GatesEncoder(4, 6, operation_channels=8, hidden=16, layers=3, head=10).eval()


def test_layer_is_the_formula() -> None:
    generator = torch.Generator().manual_seed(1)
    conv = GatesConv(3, 5, 4)
    torch.nn.init.normal_(conv.bias, generator=generator)
    states, operations = torch.randn(4, 3, generator=generator), torch.randn(4, 4, generator=generator)
    edge_index = torch.tensor([[0, 0, 1, 2], [1, 2, 3, 3]])
    incoming = torch.zeros(4, 4)
    incoming[edge_index[1], edge_index[0]] = 1  # row: the node that receives
    carried = states @ conv.lin.weight.T
    expected = torch.sigmoid(operations @ conv.gate.weight.T) * (incoming @ carried) + carried + conv.bias
    torch.testing.assert_close(conv(states, operations, edge_index), expected)


def test_repr() -> None:
    assert repr(GatesConv(48, 96, 32)) == "GatesConv(48, 96, operation=32)"


def test_scores_do_not_depend_on_the_order_of_nodes() -> None:
    space = spaces.get("spos-tiny")
    graph = space.graph(space.architecture([0, 1, 2, 3, 0, 1]))
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    place = torch.argsort(order)
    moved = Data(
        operation=graph.operation[order],
        position=graph.position[order],
        edge_index=place[graph.edge_index],
        num_nodes=7,
    )
    reversed_chain = moved.clone()
    reversed_chain.edge_index = moved.edge_index.flip(0)
    with torch.inference_mode():
        one, other, backwards = (encoder()(Batch.from_data_list([data])) for data in (graph, moved, reversed_chain))
    torch.testing.assert_close(one, other)
    assert not torch.allclose(one, backwards)


def test_a_batch_is_scored_as_its_graphs_one_by_one() -> None:
    space = spaces.get("spos-tiny")
    codes = space.sample(np.random.default_rng(0), 6)
    model = encoder()
    with torch.inference_mode():
        together = model(space.graphs(codes))
        alone = torch.cat([model(space.graphs(codes[row : row + 1])) for row in range(6)])
    torch.testing.assert_close(together, alone)
    assert len(set(together.tolist())) == 6


def test_hinge_loss_by_hand() -> None:
    # Pairs that differ: (1 over 0) by .05, (1 over 2) by -.3; 0 and 2 are equal in value.
    loss = pairwise_hinge(torch.tensor([0.0, 0.05, 0.35]), torch.tensor([1.0, 2.0, 1.0]), torch.Generator())
    assert loss.item() == pytest.approx(((0.1 - 0.05) + (0.1 + 0.3)) / 2)


def test_hinge_loss_without_pairs_is_zero_and_has_a_gradient() -> None:
    scores = torch.tensor([1.0, 2.0], requires_grad=True)
    loss = pairwise_hinge(scores, torch.tensor([3.0, 3.0]), torch.Generator())
    torch.autograd.backward(loss)
    assert loss.item() == 0
    assert scores.grad is not None
    assert scores.grad.tolist() == [0, 0]


def test_pairs_are_bounded_and_drawn_from_the_generator() -> None:
    values = torch.arange(40.0)
    scores = torch.sin(values)
    state = torch.get_rng_state()
    one, same, other = (
        pairwise_hinge(scores, values, torch.Generator().manual_seed(seed), pairs_per_graph=1) for seed in (0, 0, 1)
    )
    assert one == same
    assert one != other
    assert torch.equal(torch.get_rng_state(), state)

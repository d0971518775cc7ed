"""The GATES layer and encoder."""

import numpy as np
import torch
from torch_geometric.data import Batch, Data

import spaces
from predictor.encoders.gates import GatesConv, GatesEncoder


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

"""The GATES layers and encoder."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

import predictor
import spaces
from predictor.encoders.dense_graphs import DenseGraphs
from predictor.encoders.gates import GatesEncoder
from predictor.encoders.information_flow import EdgeFlow, NodeFlow
from predictor.ensemble.predictor import Fitting, GraphPredictor
from predictor.serialization import write
from spaces.cells.nasbench201 import EDGES, OPERATIONS
from spaces.space import Codes, SearchSpace
from tests.published import published

CELLS = spaces.get("nasbench201")


def seeded(space: SearchSpace, **config: int) -> GatesEncoder:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return GatesEncoder.from_space(
            space,
            **{
                "operation_channels": 8,
                "hidden": 16,
                "layers": 3,
                "head": 10,
                "head_layers": 1,
                **config,
            },
        ).eval()


def test_a_layer_on_nodes_is_the_formula() -> None:
    generator = torch.Generator().manual_seed(1)
    layer = NodeFlow(3, 5, 4)
    torch.nn.init.normal_(layer.bias, generator=generator)
    states, operations = (
        torch.randn(2, 4, 3, generator=generator),
        torch.randn(2, 4, 4, generator=generator),
    )
    incoming = torch.zeros(2, 4, 4)  # row: the node that receives
    incoming[0, [1, 2, 3, 3], [0, 0, 1, 2]] = 1
    for graph in range(2):
        carried = states[graph] @ layer.lin.weight.T
        gates = torch.sigmoid(operations[graph] @ layer.gate.weight.T + layer.gate.bias)
        expected = gates * (incoming[graph] @ carried) + carried + layer.bias
        torch.testing.assert_close(
            layer(states, layer.gates(operations), incoming)[graph], expected
        )


def test_sizes_are_published() -> None:
    model = GatesEncoder.from_space(CELLS)
    linear = [layer for layer in model.head if isinstance(layer, torch.nn.Linear)]
    assert len(model.convs) == published("gates.edges.layers")
    assert model.state.embedding_dim == published("gates.edges.channels")
    head = [published("gates.edges.head")] * published("gates.edges.head_layers")
    assert [layer.out_features for layer in linear[:-1]] == head
    layer = GatesEncoder.from_space(spaces.get("nasbench101")).convs[0]
    assert isinstance(layer, NodeFlow)
    assert (layer.gate.bias is not None) is published("gates.nodes.gate_bias")


def test_repr() -> None:
    assert repr(NodeFlow(48, 96, 32)) == "NodeFlow(48, 96, operation=32)"
    assert repr(EdgeFlow(48, 96, 32)) == "EdgeFlow(48, 96, operation=32)"


def on_vertices(encoder: GatesEncoder, codes: Codes) -> Tensor:
    """The paper's form for operations on edges: states of a cell's four vertices, messages along
    its six edges.
    """
    found = []
    for row in codes.tolist():
        state = encoder.state.weight[0].expand(4, -1) * torch.tensor([1.0, 0, 0, 0])[:, None]
        for index, conv in enumerate(encoder.convs):
            assert isinstance(conv, EdgeFlow)
            carried = (torch.relu(state) if index else state) @ conv.lin.weight.T
            following = [
                carried[0],
                *(torch.zeros_like(carried[0]) for _ in range(3)),
            ]  # the input keeps its own
            for (source, target), operation in zip(EDGES, row, strict=True):
                if OPERATIONS[operation] != "none":
                    embedded = encoder.labels.operation.weight[operation]
                    gate = torch.sigmoid(embedded @ conv.gate.weight.T + conv.gate.bias)
                    following[target] = following[target] + gate * carried[source]
            state = torch.stack(following)
        found.append(state[3])
    return torch.stack(found)


def test_operations_on_edges_are_the_papers_form_on_vertices() -> None:
    encoder = seeded(CELLS, layers=4)
    assert encoder.on_edges
    codes = CELLS.check(
        np.concatenate([CELLS.sample(np.random.default_rng(0), 40), [[0] * 6, [1] * 6]])
    )
    with torch.inference_mode():
        expected = on_vertices(encoder, codes)
        torch.testing.assert_close(encoder.features(encoder.inputs(CELLS, codes)), expected)
    assert (expected[:-2].std(0) > 0).any()


def test_parallel_edges_each_bring_something() -> None:
    space = spaces.get("darts-tiny")
    encoder = seeded(space)
    assert encoder.on_edges
    graphs = encoder.inputs(space, space.sample(np.random.default_rng(0), 5))
    seen: list[Tensor] = []
    encoder.convs[0].register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    with torch.inference_mode():
        encoder(graphs)
    state = encoder.state.weight[0]
    # Behind an input alone a node receives that input's state; of parallel edges each is a node.
    entering = (graphs.incoming * (graphs.operation == 0)[:, None]).sum(2)
    for graph, node in zip(
        *(index.tolist() for index in torch.nonzero(graphs.is_operation, as_tuple=True)),
        strict=True,
    ):
        torch.testing.assert_close(seen[0][graph, node], entering[graph, node] * state)


def test_spaces_whose_operations_stand_on_edges() -> None:
    told = {
        name: seeded(spaces.get(name)).on_edges
        for name in ("nasbench201", "darts-tiny", "nasbench101", "spos-tiny")
    }
    assert told == {
        "nasbench201": True,
        "darts-tiny": True,
        "nasbench101": False,
        "spos-tiny": False,
    }


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
    encoder = seeded(space)
    with torch.inference_mode():
        one, other, backwards = (
            encoder(DenseGraphs.from_batch(Batch.from_data_list([data])))
            for data in (graph, moved, reversed_chain)
        )
    torch.testing.assert_close(one, other)
    assert not torch.allclose(one, backwards)


def test_a_batch_is_scored_as_its_graphs_one_by_one() -> None:
    for space in (spaces.get("spos-tiny"), CELLS, spaces.get("darts-tiny")):
        codes = space.sample(np.random.default_rng(0), 6)
        encoder = seeded(space)
        with torch.inference_mode():
            together = encoder(encoder.inputs(space, codes))
            alone = torch.cat(
                [encoder(encoder.inputs(space, codes[row : row + 1])) for row in range(6)]
            )
        torch.testing.assert_close(together, alone)
        assert len(set(together.tolist())) == 6


def test_kinds_of_nodes_are_pairs_of_operation_and_position() -> None:
    labels = seeded(spaces.get("spos-tiny")).labels
    operation, position = torch.tensor([[0, 2], [3, 1]]), torch.tensor([[0, 1], [2, 6]])
    torch.testing.assert_close(
        labels.all_kinds()[labels.kinds(operation, position)], labels(operation, position)
    )


def test_weights_of_version_1_compute_as_before(tmp_path: Path) -> None:
    space = spaces.get("spos-tiny")
    codes = space.sample(np.random.default_rng(0), 20)
    # The encoder as it was before gates had a bias.
    old = GraphPredictor(
        space, members=2, fitting=Fitting(epochs=2), config={"gate_bias": False, "hidden": 8}
    )
    old.fit(codes, -space.macs(codes))
    config, tensors = old.state()
    assert not any("gate.bias" in name for name in tensors)
    del config["encoder_version"], config["config"]["gate_bias"]
    write(tmp_path / "old.safetensors", config, tensors)

    loaded = predictor.load(tmp_path / "old.safetensors")
    assert loaded.predict(codes)[0].tolist() == old.predict(codes)[0].tolist()
    # It is saved again as what it is.
    loaded.save(tmp_path / "again.safetensors")
    again = predictor.load(tmp_path / "again.safetensors")
    assert again.predict(codes)[0].tolist() == old.predict(codes)[0].tolist()

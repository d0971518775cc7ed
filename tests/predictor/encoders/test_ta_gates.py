"""TA-GATES: passes, updates, zero-cost features, the anytime head."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import predictor
import spaces
from predictor.encoders.dense_graphs import DenseGraphs
from predictor.encoders.information_flow import EdgeFlow, InformationFlow, NodeFlow
from predictor.encoders.ta_gates import PUBLISHED, TaGatesEncoder
from predictor.ensemble.losses import anytime, loss
from predictor.ensemble.predictor import Fitting, GraphPredictor
from predictor.errors import InvalidValues
from predictor.serialization import write
from spaces.errors import InvalidParameter
from spaces.space import SearchSpace
from tests.published import published

SMALL: dict[str, Any] = {
    "operation_channels": 6,
    "state_channels": 5,
    "hidden": 7,
    "layers": 2,
    "head": (8,),
}
SPACE = spaces.get("nasbench201")


def encoder(space: SearchSpace = SPACE, **config: Any) -> TaGatesEncoder:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        found = TaGatesEncoder.from_space(space, **{**SMALL, **config}).eval()
        for flow in found.modules():
            if isinstance(flow, NodeFlow):
                torch.nn.init.normal_(flow.bias)
    return found


def cells(count: int = 4) -> DenseGraphs:
    return TaGatesEncoder.inputs(SPACE, SPACE.sample(np.random.default_rng(0), count))


# The formulas


def test_a_layer_is_the_formula_and_some_gates_pass_everything() -> None:
    generator = torch.Generator().manual_seed(1)
    flow = InformationFlow([3, 5], 4)
    layer: Any = flow.convs[0]
    torch.nn.init.normal_(layer.bias, generator=generator)
    states, operations = (
        torch.randn(1, 4, 3, generator=generator),
        torch.randn(1, 4, 4, generator=generator),
    )
    passing = torch.tensor([True, False, True, False])[None, :, None]
    incoming = torch.zeros(1, 4, 4)
    incoming[0, [1, 2, 3, 3], [0, 0, 1, 2]] = 1
    carried = states[0] @ layer.lin.weight.T
    gate = torch.sigmoid(operations[0] @ layer.gate.weight.T + layer.gate.bias)
    gate[[0, 2]] = 1
    expected = gate * (incoming[0] @ carried) + carried + layer.bias
    entering = torch.zeros(1, 4, 1)
    torch.testing.assert_close(flow(states, operations, passing, incoming, entering)[0], expected)


def dense_pass(flow: Any, x: Tensor, gates_of: Tensor, passing: Tensor, into: Tensor) -> Tensor:
    """A pass over one graph with the matrix `into`, rows the nodes that receive."""
    for index, conv in enumerate(flow.convs):
        carried = (torch.relu(x) if index else x) @ conv.lin.weight.T
        gate = torch.where(passing, 1, torch.sigmoid(conv.gate(gates_of)))
        x = gate * (into @ carried) + carried + conv.bias
    return x


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_steps_are_the_paper_s(steps: int) -> None:
    model = encoder(steps=steps, positions=SPACE.positions, on_edges=False)
    graphs = model.inputs(SPACE, SPACE.check(np.array([[3, 2, 1, 4, 0, 3]])))
    operation, position, into = graphs.operation[0], graphs.position[0], graphs.incoming[0]
    names = ["input", *(SPACE.operations[label - 1] for label in operation[1:].tolist())]
    assert names[1:] == [
        "nor_conv_3x3",
        "nor_conv_1x1",
        "skip_connect",
        "avg_pool_3x3",
        "nor_conv_3x3",
        "output",
    ]
    passing = torch.tensor([name in ("input", "skip_connect", "output") for name in names])[:, None]
    trained = torch.tensor([name.startswith("nor_conv") for name in names])[:, None]
    embedded = model.labels(operation, position)
    start = model.state((operation > 0).long())
    last = torch.tensor([name == "output" for name in names])[:, None]
    for step in range(steps):
        x = dense_pass(model.forward_pass, start, embedded, passing, into)
        if step < steps - 1:
            back = dense_pass(
                model.backward_pass, torch.where(last, model.turn(x), 0), embedded, passing, into.T
            )
            change = model.update(torch.cat([embedded, x, back], dim=1))
            embedded = torch.where(trained, embedded + 0.1 * change, embedded)
    assert model.read_out.weight is not None
    read = (x * model.read_out.weight(position))[1:].mean(0)
    torch.testing.assert_close(model.features(graphs)[0], read)


def messages(
    flow: Any, start: Tensor, gates_of: Tensor, passing: Tensor, edges: list[tuple[int, int]]
) -> tuple[Tensor, list[Tensor]]:
    """Send states of a cell's vertices along its edges; the first vertex keeps its own.

    Returns the last states of the vertices, and each edge's last message.
    """
    states = start
    for index, conv in enumerate(flow.convs):
        carried = (torch.relu(states) if index else states) @ conv.lin.weight.T
        gates = torch.where(passing, 1, torch.sigmoid(conv.gate(gates_of)))
        sent = [gates[edge] * carried[source] for edge, (source, _) in enumerate(edges)]
        first = edges[0][0]
        new = torch.zeros_like(carried)
        new[first] = carried[first]
        states = torch.stack(
            [
                new[vertex]
                + sum(sent[i] for i, (_, target) in enumerate(edges) if target == vertex)
                for vertex in range(len(new))
            ]
        )
    return states, sent


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_information_flows_on_edges_as_between_the_vertices_of_a_cell(steps: int) -> None:
    model = encoder(steps=steps)
    # Without `none` and `skip_connect`, so that all six edges exist and have gates.
    codes = np.array([[3, 2, 4, 4, 2, 3]])
    graphs = model.inputs(SPACE, SPACE.check(codes))
    operation = graphs.operation[0]
    edges = [(source, target) for target in range(1, 4) for source in range(target)]
    rows = slice(1, 7)
    assert len(operation) == 8
    embedded = model.labels(operation, graphs.position[0])[rows]
    passing = model.passing[operation][rows].unsqueeze(1)
    trained = ~model.without_weights[operation][rows].unsqueeze(1)
    start = torch.zeros(4, 5)
    start[0] = model.state.weight[0]
    backward_edges = [(target, source) for source, target in edges]
    # The backward flow enters at the output, vertex 3, which must lead the first edge.
    order = sorted(range(6), key=lambda edge: -backward_edges[edge][0])
    for step in range(steps):
        states, sent = messages(model.forward_pass, start, embedded, passing, edges)
        if step < steps - 1:
            turned = torch.zeros(4, 7)
            turned[3] = model.turn(states[3])
            _, returned = messages(
                model.backward_pass,
                turned,
                embedded[order],
                passing[order],
                [backward_edges[edge] for edge in order],
            )
            back = torch.stack([returned[order.index(edge)] for edge in range(6)])
            change = model.update(torch.cat([embedded, torch.stack(sent), back], dim=1))
            embedded = torch.where(trained, embedded + 0.1 * change, embedded)
    torch.testing.assert_close(model.features(graphs)[0], states[3])


def test_sizes_on_nasbench201_are_published() -> None:
    model = TaGatesEncoder.from_space(SPACE)
    flow = model.forward_pass.convs
    assert isinstance(flow[0], EdgeFlow)
    assert isinstance(model.heads[0], torch.nn.Sequential)
    linear = [layer for layer in model.heads[0] if isinstance(layer, torch.nn.Linear)]
    assert model.labels.operation.embedding_dim == published("ta-gates.operation_channels")
    assert model.state.embedding_dim == published("ta-gates.state_channels")
    assert len(flow) == published("ta-gates.layers")
    assert flow[-1].out_channels == published("ta-gates.channels")
    assert model.steps == published("ta-gates.steps")
    assert model.update_scale == published("ta-gates.update_scale")
    head = (published("ta-gates.head"),) * published("ta-gates.head_layers")
    assert tuple(layer.out_features for layer in linear[:-1]) == head


def test_weights_of_version_1_compute_as_before(tmp_path: Path) -> None:
    codes = SPACE.sample(np.random.default_rng(0), 20)
    old = GraphPredictor(
        SPACE,
        members=2,
        fitting=Fitting(epochs=2),
        encoder="ta-gates",
        config={"on_edges": False, "gate_bias": False},
    )
    old.fit(codes, np.arange(20.0))
    encoder_of = old.encoders[0]
    assert isinstance(encoder_of, TaGatesEncoder)
    assert (encoder_of.steps, len(encoder_of.forward_pass.convs)) == (2, 5)
    config, tensors = old.state()
    del config["encoder_version"]
    write(tmp_path / "old.safetensors", {**config, "config": {}}, tensors)
    loaded = predictor.load(tmp_path / "old.safetensors")
    assert loaded.predict(codes)[0].tolist() == old.predict(codes)[0].tolist()


def test_which_operations_pass_and_which_are_trained() -> None:
    def named(name: str) -> tuple[set[str], set[str]]:
        space = spaces.get(name)
        model = encoder(space)
        passing, fixed = model.passing.tolist(), model.without_weights.tolist()
        assert passing[0]  # the input
        assert fixed[0]
        operations = space.operations
        return (
            {name for name, told in zip(operations, passing[1:], strict=True) if told},
            {name for name, told in zip(operations, fixed[1:], strict=True) if told},
        )

    assert named("nasbench201") == (
        {"skip_connect", "output"},
        {"skip_connect", "output", "avg_pool_3x3"},
    )
    assert named("nasbench101") == ({"output"}, {"output", "maxpool3x3"})
    assert named("nasbench-macro") == ({"identity"}, {"identity"})
    assert named("proxylessnas-tiny") == ({"zero"}, {"zero"})
    assert named("spos-tiny") == (set(), set())


def test_no_gradient_flows_through_what_an_update_reads_but_the_backward_pass() -> None:
    model, graphs = encoder(steps=2), cells()
    seen: list[Tensor] = []
    model.update.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    model(graphs)
    (given,) = seen
    (gradient,) = torch.autograd.grad(
        given[..., :13].sum(), model.labels.operation.weight, allow_unused=True, retain_graph=True
    )
    assert gradient is None or not gradient.any()
    (gradient,) = torch.autograd.grad(given[..., 13:].sum(), model.labels.operation.weight)
    assert gradient.any()


def test_information_flows_backward_from_every_end() -> None:
    space = spaces.get("darts-tiny")
    graphs = TaGatesEncoder.inputs(space, space.sample(np.random.default_rng(0), 3))
    assert torch.equal(graphs.is_end, graphs.operation == len(space.operations))
    assert int(graphs.is_end.sum()) == 6  # of two cells each


@pytest.mark.parametrize(("benchmark", "name"), [("nasbench301", "darts"), ("enas", "enas")])
def test_published_sizes_of_cells_score_and_learn(benchmark: str, name: str) -> None:
    space = spaces.get(name)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        # Without dropout, whose draws would be those of whatever ran before.
        model = TaGatesEncoder.from_space(space, **PUBLISHED[benchmark]).eval()
    graphs = TaGatesEncoder.inputs(space, space.sample(np.random.default_rng(0), 24))
    macs = torch.from_numpy(space.macs(space.sample(np.random.default_rng(0), 24)))
    pairwise = loss("hinge")
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)

    losses = []
    for _ in range(10):
        value = pairwise(model(graphs), macs.float(), torch.Generator().manual_seed(0))
        optimizer.zero_grad()
        torch.autograd.backward(value)
        optimizer.step()
        losses.append(value.item())

    assert model.on_edges
    assert (model.steps, model.state.embedding_dim) == (PUBLISHED[benchmark]["steps"], 32)
    assert losses[-1] < 0.95 * losses[0]
    assert all(value.grad is not None for value in model.read_out.parameters())


def test_a_step_or_more() -> None:
    with pytest.raises(InvalidParameter, match="steps: TA-GATES takes at least 1, not 0"):
        encoder(steps=0)


# Symmetry breaking


def test_zero_cost_features_change_scores_and_their_absence_is_zeros() -> None:
    model = encoder(zero_cost=3, zero_cost_scale=1.0)
    with torch.inference_mode():
        without = model(cells())
        assert torch.equal(
            without, model(cells().with_features(torch.zeros(4, SPACE.positions, 3)))
        )
        features = torch.randn(4, SPACE.positions, 3, generator=torch.Generator().manual_seed(0))
        broken = model(cells().with_features(features))
    assert (broken - without).abs().min() > 1e-6


def test_features_stand_at_their_positions() -> None:
    features = torch.arange(4 * SPACE.positions * 2.0).reshape(4, SPACE.positions, 2) + 1
    graphs = cells().with_features(features)
    for graph, row in enumerate(graphs.position.tolist()):
        for node, position in enumerate(row):
            expected = torch.zeros(2) if position == 0 else features[graph, position - 1]
            assert torch.equal(graphs.features[graph, node], expected)


def test_another_number_of_features_is_refused() -> None:
    with pytest.raises(
        InvalidValues, match="zero_cost: 3 features an operation are expected, not 2"
    ):
        encoder(zero_cost=3)(cells().with_features(torch.zeros(4, SPACE.positions, 2)))


# Anytime


@pytest.mark.parametrize("heads", [False, True])
def test_every_step_is_scored_the_last_as_ever(heads: bool) -> None:
    model = encoder(steps=3, anytime=heads)
    assert len(model.heads) == (3 if heads else 1)
    with torch.inference_mode():
        found = model(cells(), every_step=True)
        assert found.shape == (4, 3)
        torch.testing.assert_close(found[:, -1], model(cells()))
    assert (found[:, 0] - found[:, 1]).abs().min() > 1e-7


def test_a_first_step_of_its_own_is_what_one_step_gives() -> None:
    long, short = encoder(steps=2), encoder(steps=1)
    short.load_state_dict(long.state_dict(), strict=False)
    with torch.inference_mode():
        torch.testing.assert_close(long(cells(), every_step=True)[:, 0], short(cells()))


def test_steps_learn_targets_of_their_own() -> None:
    # The first step learns how many 3x3 convolutions a cell has, the second how few.
    model = encoder(anytime=True, hidden=16, dropout=0.0, steps=2).train()
    codes = SPACE.sample(np.random.default_rng(0), 48)
    graphs = model.inputs(SPACE, codes)
    count = (graphs.operation == 3).float().sum(1)
    values, hinge = torch.stack([count, -count], dim=1), loss("hinge")
    optimizer, generator = (
        torch.optim.Adam(model.parameters(), lr=3e-3),
        torch.Generator().manual_seed(0),
    )
    for _ in range(40):
        optimizer.zero_grad()
        torch.autograd.backward(anytime(hinge, model(graphs, every_step=True), values, generator))
        optimizer.step()
    with torch.inference_mode():
        found = model(graphs, every_step=True)
    assert torch.corrcoef(torch.stack([found[:, 0], count]))[0, 1] > 0.8
    assert torch.corrcoef(torch.stack([found[:, 1], count]))[0, 1] < -0.8

"""TA-GATES: passes, updates, zero-cost features, the anytime head."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.nn import global_add_pool

import spaces
from predictor.encoders.information_flow import GatedFlow
from predictor.encoders.ta_gates import TaGatesEncoder, attach
from predictor.errors import InvalidValues
from predictor.losses import anytime, loss
from spaces.errors import InvalidParameter
from spaces.space import SearchSpace

SMALL: dict[str, Any] = {"operation_channels": 6, "state_channels": 5, "hidden": 7, "layers": 2, "head": (8,)}
SPACE = spaces.get("nasbench201")


def encoder(space: SearchSpace = SPACE, **config: Any) -> TaGatesEncoder:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        found = TaGatesEncoder.of(space, **{**SMALL, **config}).eval()
        for flow in found.modules():
            if isinstance(flow, GatedFlow):
                torch.nn.init.normal_(flow.bias)
    return found


def cells(count: int = 4) -> Any:
    return SPACE.graphs(SPACE.sample(np.random.default_rng(0), count))


# The formulas


def test_layer_is_the_formula() -> None:
    generator = torch.Generator().manual_seed(1)
    layer = GatedFlow(3, 5, 4)
    torch.nn.init.normal_(layer.bias, generator=generator)
    states, operations = torch.randn(4, 3, generator=generator), torch.randn(4, 4, generator=generator)
    edge_index = torch.tensor([[0, 0, 1, 2], [1, 2, 3, 3]])
    passing = torch.tensor([True, False, True, False])[:, None]
    incoming = torch.zeros(4, 4)
    incoming[edge_index[1], edge_index[0]] = 1  # row: the node that receives
    carried = states @ layer.lin.weight.T
    gate = torch.sigmoid(operations @ layer.gate.weight.T)
    gate[[0, 2]] = 1
    expected = gate * (incoming @ carried) + carried + layer.bias
    torch.testing.assert_close(layer(states, operations, passing, edge_index), expected)
    assert repr(layer) == "GatedFlow(3, 5, operation=4)"


def dense_pass(flow: Any, x: Tensor, gates_of: Tensor, passing: Tensor, into: Tensor) -> Tensor:
    """A pass over one graph with the matrix `into`, rows the nodes that receive."""
    for index, conv in enumerate(flow.convs):
        carried = (torch.relu(x) if index else x) @ conv.lin.weight.T
        gate = torch.where(passing, 1, torch.sigmoid(gates_of @ conv.gate.weight.T))
        x = gate * (into @ carried) + carried + conv.bias
    return x


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_steps_are_the_paper_s(steps: int) -> None:
    model = encoder(steps=steps, positions=SPACE.positions)
    graphs = SPACE.graphs(SPACE.check(np.array([[3, 2, 1, 4, 0, 3]])))
    names = ["input", *(SPACE.operations[label - 1] for label in graphs.operation[1:].tolist())]
    assert names[1:] == ["nor_conv_3x3", "nor_conv_1x1", "skip_connect", "avg_pool_3x3", "nor_conv_3x3", "output"]
    into = torch.zeros(len(names), len(names))
    into[graphs.edge_index[1], graphs.edge_index[0]] = 1
    passing = torch.tensor([name in ("input", "skip_connect", "output") for name in names])[:, None]
    trained = torch.tensor([name.startswith("nor_conv") for name in names])[:, None]
    embedded = model.labels(graphs.operation, graphs.position)
    start = model.state((graphs.operation > 0).long())
    last = torch.tensor([name == "output" for name in names])[:, None]
    for step in range(steps):
        x = dense_pass(model.forward_pass, start, embedded, passing, into)
        if step < steps - 1:
            back = dense_pass(model.backward_pass, torch.where(last, model.turn(x), 0), embedded, passing, into.T)
            change = model.update(torch.cat([embedded, x, back], dim=1))
            embedded = torch.where(trained, embedded + 0.1 * change, embedded)
    assert model.read_out.weight is not None
    read = (x * model.read_out.weight(graphs.position))[1:].mean(0)
    torch.testing.assert_close(model.features(graphs)[0], read)


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

    assert named("nasbench201") == ({"skip_connect", "output"}, {"skip_connect", "output", "avg_pool_3x3"})
    assert named("nasbench101") == ({"output"}, {"output", "maxpool3x3"})
    assert named("nasbench-macro") == ({"identity"}, {"identity"})
    assert named("proxylessnas-tiny") == ({"zero"}, {"zero"})
    assert named("spos-tiny") == (set(), set())


def test_no_gradient_flows_through_what_an_update_reads_but_the_backward_pass() -> None:
    model, graphs = encoder(), cells()
    seen: list[Tensor] = []
    model.update.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    model(graphs)
    (given,) = seen
    (gradient,) = torch.autograd.grad(
        given[:, :13].sum(), model.labels.operation.weight, allow_unused=True, retain_graph=True
    )
    assert gradient is None or not gradient.any()
    (gradient,) = torch.autograd.grad(given[:, 13:].sum(), model.labels.operation.weight)
    assert gradient.any()


def test_information_flows_backward_from_every_end() -> None:
    space = spaces.get("darts-tiny")
    graphs = space.graphs(space.sample(np.random.default_rng(0), 3))
    ends = TaGatesEncoder._ends(graphs)[:, 0]
    outputs = graphs.operation == len(space.operations)
    assert torch.equal(ends, outputs)
    assert int(ends.sum()) == 6  # of two cells each


def test_a_step_or_more() -> None:
    with pytest.raises(InvalidParameter, match="steps: TA-GATES takes at least 1, not 0"):
        encoder(steps=0)


# Symmetry breaking


def test_zero_cost_features_change_scores_and_their_absence_is_zeros() -> None:
    model = encoder(zero_cost=3, zero_cost_scale=1.0)
    with torch.inference_mode():
        without = model(cells())
        assert torch.equal(without, model(attach(cells(), torch.zeros(4, SPACE.positions, 3))))
        features = torch.randn(4, SPACE.positions, 3, generator=torch.Generator().manual_seed(0))
        broken = model(attach(cells(), features))
    assert (broken - without).abs().min() > 1e-6


def test_features_stand_at_their_positions() -> None:
    features = torch.arange(4 * SPACE.positions * 2.0).reshape(4, SPACE.positions, 2) + 1
    graphs = attach(cells(), features)
    for node, (graph, position) in enumerate(zip(graphs.batch.tolist(), graphs.position.tolist(), strict=True)):
        expected = torch.zeros(2) if position == 0 else features[graph, position - 1]
        assert torch.equal(graphs.zero_cost[node], expected)


def test_another_number_of_features_is_refused() -> None:
    with pytest.raises(InvalidValues, match="zero_cost: 3 features an operation are expected, not 2"):
        encoder(zero_cost=3)(attach(cells(), torch.zeros(4, SPACE.positions, 2)))


# Anytime


@pytest.mark.parametrize("heads", [False, True])
def test_every_step_is_scored_the_last_as_ever(heads: bool) -> None:
    model = encoder(steps=3, anytime=heads)
    assert len(model.heads) == (3 if heads else 1)
    with torch.inference_mode():
        found = model.anytime(cells())
        assert found.shape == (4, 3)
        torch.testing.assert_close(found[:, -1], model(cells()))
    assert (found[:, 0] - found[:, 1]).abs().min() > 1e-7


def test_a_first_step_of_its_own_is_what_one_step_gives() -> None:
    long, short = encoder(steps=2), encoder(steps=1)
    short.load_state_dict(long.state_dict(), strict=False)
    with torch.inference_mode():
        torch.testing.assert_close(long.anytime(cells())[:, 0], short(cells()))


def test_steps_learn_targets_of_their_own() -> None:
    # The first step learns how many 3x3 convolutions a cell has, the second how few.
    model = encoder(anytime=True, hidden=16, dropout=0.0).train()
    codes = SPACE.sample(np.random.default_rng(0), 48)
    graphs = SPACE.graphs(codes)
    count = global_add_pool((graphs.operation == 3).float(), graphs.batch)
    values, hinge = torch.stack([count, -count], dim=1), loss("hinge")
    optimizer, generator = torch.optim.Adam(model.parameters(), lr=3e-3), torch.Generator().manual_seed(0)
    for _ in range(40):
        optimizer.zero_grad()
        torch.autograd.backward(anytime(hinge, model.anytime(graphs), values, generator))
        optimizer.step()
    with torch.inference_mode():
        found = model.anytime(graphs)
    assert torch.corrcoef(torch.stack([found[:, 0], count]))[0, 1] > 0.8
    assert torch.corrcoef(torch.stack([found[:, 1], count]))[0, 1] < -0.8

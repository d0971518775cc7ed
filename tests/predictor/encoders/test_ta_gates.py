"""TA-GATES: passes, updates, zero-cost features, the anytime head."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import spaces
from predictor.encoders.dense_graphs import DenseGraphs
from predictor.encoders.information_flow import InformationFlow, NodeFlow
from predictor.encoders.ta_gates import TaGatesEncoder
from predictor.ensemble.losses import anytime, loss
from predictor.errors import InvalidValues
from spaces.errors import InvalidParameter
from spaces.space import SearchSpace

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
    gate = torch.sigmoid(operations[0] @ layer.gate.weight.T)
    gate[[0, 2]] = 1
    expected = gate * (incoming[0] @ carried) + carried + layer.bias
    torch.testing.assert_close(flow(states, operations, passing, incoming)[0], expected)


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
    model, graphs = encoder(), cells()
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
    model = encoder(anytime=True, hidden=16, dropout=0.0).train()
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

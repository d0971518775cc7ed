"""Recurrent cells compute their equations, alone and in the supernet."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

import spaces
from spaces.errors import InvalidParameter
from spaces.modules.recurrent import RecurrentModel, RecurrentNetwork, RecurrentSupernet
from spaces.recurrent.space import RecurrentSpace

SMALL = "rnn(vocabulary=9, length=6, width=5, nodes=4)"
ENDS = "rnn(vocabulary=9, length=6, width=5, nodes=4, output=ends)"
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "identity": lambda x: x,
}


def space_of(name: str) -> RecurrentSpace:
    space = spaces.get(name)
    assert isinstance(space, RecurrentSpace)
    return space


def tokens(rows: int = 3, length: int = 6) -> Tensor:
    return torch.randint(9, (rows, length), generator=torch.Generator().manual_seed(1))


def by_hand(network: RecurrentModel, architecture: Any, inputs: Tensor, ends: bool) -> Tensor:
    """The scores of a network by the equations of the cell, token by token."""
    state = torch.zeros(len(inputs), network.sizes.width)
    scores = []
    for column in inputs.T:
        vector = embedding(column, network.vectors.weight)
        gate, update = (torch.cat([vector, state], 1) @ network.initial.linear.weight.T).chunk(2, 1)
        states = [state + torch.sigmoid(gate) * (torch.tanh(update) - state)]
        read = set()
        for number, node in enumerate(network.nodes, 1):
            source = int(architecture.choices.get(f"node_{number}_input", 0))
            function = FUNCTIONS[architecture.choices[f"node_{number}_activation"]]
            read.add(source)
            weight = node.get_parameter("linear.weight")
            gate, update = (states[source] @ weight.T).chunk(2, 1)
            states.append(
                states[source] + torch.sigmoid(gate) * (function(update) - states[source])
            )
        outputs = [
            states[number] for number in range(1, len(states)) if not ends or number not in read
        ]
        state = torch.stack(outputs).mean(0)
        scores.append(state @ network.vectors.weight.T + network.scores.bias)
    return torch.stack(scores, 1)


@pytest.mark.parametrize("name", [SMALL, ENDS])
def test_networks_and_supernet_follow_the_equations(name: str) -> None:
    space = space_of(name)
    supernet = space.supernet().eval()
    assert isinstance(supernet, RecurrentSupernet)

    for architecture in space.decode(space.sample(np.random.default_rng(0), 6)):
        network = space.network(architecture).eval()
        assert isinstance(network, RecurrentNetwork)
        supernet.activate(architecture)
        for model in (network, supernet):
            scores, _ = model(tokens())
            expected = by_hand(model, architecture, tokens(), space.ends_only)
            torch.testing.assert_close(scores, expected)


def test_state_continues_a_text() -> None:
    network = space_of(SMALL).network(space_of(SMALL).architecture([0] * 7)).eval()

    whole, last = network(tokens(length=10))
    first, state = network(tokens(length=10)[:, :4])
    second, after = network(tokens(length=10)[:, 4:], state)

    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    torch.testing.assert_close(after, last)


def test_counts_are_those_of_the_matrices() -> None:
    space = space_of("rnn(vocabulary=100, length=10, width=20, nodes=8)")
    architecture = space.decode(space.sample(np.random.default_rng(0), 1))[0]

    # [x, h] -> 2 width, 8 nodes of width -> 2 width, and scores by the shared vectors.
    matrices = 40 * 40 + 8 * 20 * 40 + 100 * 20
    assert space.macs(architecture) == 10 * matrices
    assert space.params(architecture) == matrices + 100


def test_vocabulary_is_that_of_the_data() -> None:
    space = space_of(SMALL).for_vocabulary(30)

    assert space.name == "rnn(length=6, nodes=4, vocabulary=30, width=5)"
    assert spaces.get("spos-tiny").for_vocabulary(30) == spaces.get("spos-tiny")


def test_dropout_has_one_mask_for_a_window() -> None:
    name = "rnn(vocabulary=9, length=6, width=40, nodes=2, dropout_outputs=0.5, dropout_inputs=0.5)"
    network = space_of(name).network(space_of(name).architecture([0, 0, 0])).train()
    recorded: dict[str, Tensor] = {}
    for part in ("input_dropout", "output_dropout"):
        network.get_submodule(part).register_forward_hook(
            lambda _, __, output, part=part: recorded.update({part: output})
        )

    network(tokens())

    for output in recorded.values():
        dropped = output == 0
        assert torch.equal(dropped.all(1), dropped.any(1))
        assert 0.3 < dropped[:, 0].float().mean() < 0.7


def test_hidden_dropout_leaves_evaluations_alone() -> None:
    plain = space_of(SMALL)
    dropping = space_of(SMALL[:-1] + ", dropout_hidden=0.5, dropout_tokens=0.5)")
    codes = [0, 1, 1, 2, 2, 3, 3]
    networks = [space.network(space.architecture(codes)) for space in (plain, dropping)]

    evaluated = [network.eval()(tokens())[0] for network in networks]
    trained = [network.train()(tokens())[0] for network in networks]

    assert torch.equal(*evaluated)
    assert not torch.equal(*trained)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("nodes=1", "a cell has at least 2 nodes, not 1"),
        ("vocabulary=1", "a vocabulary has at least 2 tokens, not 1"),
        ("output=some", "output must be one of all, ends, not 'some'"),
        ("dropout_hidden=1.0", r"probabilities of dropout lie in \[0, 1\)"),
    ],
)
def test_wrong_options_are_refused(options: str, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        spaces.get(f"rnn({options})")


def test_graph_has_an_edge_to_each_node_and_from_each_output() -> None:
    pytest.importorskip("torch_geometric")
    space = space_of(ENDS)
    # Nodes 2 and 3 read node 1, and node 4 reads node 2: the ends are 3 and 4.
    architecture = space.architecture([0, 1, 1, 1, 2, 2, 3])

    graph = space.graph(architecture)

    edges = {(int(source), int(target)) for source, target in graph.edge_index.T}
    assert edges == {(0, 1), (1, 2), (1, 3), (2, 4), (3, 5), (4, 5)}
    assert graph.operation.tolist() == [0, 1, 2, 3, 4, 5]
    arrows = space.sketch(architecture).arrows
    assert set(arrows) == edges


def test_matrices_are_shared_by_all_candidates() -> None:
    supernet = space_of(SMALL).supernet()

    # One matrix for the first state and one for each of 4 nodes.
    assert sum(isinstance(module, nn.Linear) for module in supernet.modules()) == 5

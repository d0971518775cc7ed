"""The search network of recurrent cells: its edges, and the cell that is read from them."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import spaces
from spaces.modules.choices import LayerChoice
from spaces.modules.recurrent_parts import ACTIVATIONS
from spaces.modules.recurrent_search import RecurrentEdges, RecurrentSearchSupernet, derive_cell
from spaces.recurrent.search_space import RecurrentSearchSpace

SMALL = "rnn-search(vocabulary=9, length=6, width=5, nodes=4)"


def search_space() -> RecurrentSearchSpace:
    space = spaces.get(SMALL)
    assert isinstance(space, RecurrentSearchSpace)
    return space


def tokens() -> Tensor:
    return torch.randint(9, (3, 6), generator=torch.Generator().manual_seed(1))


def test_cells_of_all_nodes_are_searched_in_the_network_of_the_release() -> None:
    space = spaces.get("rnn(width=20, dropout_hidden=0.25)")

    search = space.search_space.for_vocabulary(50)

    assert search.family == "rnn-search"
    assert search.network_space == space.for_vocabulary(50)
    assert search.num_classes == 50
    # A mixture has no loose ends.
    ends = spaces.get("rnn(output=ends)")
    assert ends.search_space == ends


def test_decided_edges_are_the_decided_cell() -> None:
    space = search_space()
    for codes in space.sample(np.random.default_rng(0), 5):
        supernet = space.supernet().eval()
        assert isinstance(supernet, RecurrentSearchSupernet)
        supernet.norm.running_mean.normal_()  # type: ignore[union-attr]
        supernet.activate(codes)
        expected, _ = supernet(tokens())

        edges = space.search_model(supernet)
        choices = space.decode(codes[None])[0].choices
        for module in edges.modules():
            if isinstance(module, LayerChoice):
                _, node, source = module.key.split("_")
                is_read = choices.get(f"node_{node}_input", "0") == source
                module.activate(choices[f"node_{node}_activation"] if is_read else "none")
        scores, _ = edges.eval()(tokens())

        torch.testing.assert_close(scores, expected)


def test_edges_share_the_weights_of_the_supernet() -> None:
    supernet = search_space().supernet()

    edges = search_space().search_model(supernet)

    assert isinstance(edges, RecurrentEdges)
    assert {id(value) for value in edges.parameters()} == {id(v) for v in supernet.parameters()}
    choices = [module for module in edges.modules() if isinstance(module, LayerChoice)]
    # 1 + 2 + 3 + 4 edges.
    assert len({choice.key for choice in choices}) == len(choices) == 10


def test_states_of_a_batch_are_normalised() -> None:
    supernet = search_space().supernet().train()
    edges = search_space().search_model(supernet)
    recorded: list[Tensor] = []
    norm: Any = supernet.get_submodule("norm")
    norm.register_forward_hook(lambda _, __, output: recorded.append(output))
    for module in edges.modules():
        if isinstance(module, LayerChoice):
            module.activate("tanh")
    nn.init.normal_(supernet.get_parameter("vectors.weight"))

    edges.train()(tokens())

    # The first state and those of 4 nodes, at each of 6 tokens.
    assert len(recorded) == 30
    for output in recorded:
        assert output.mean(0).abs().max() < 1e-4


def test_best_edge_of_each_node_is_kept() -> None:
    names = list(ACTIVATIONS)
    probabilities = {
        f"node_{node}_{source}": torch.tensor([0.9, 0.01, 0.02, 0.03, 0.04])
        for node in (1, 2, 3)
        for source in range(node)
    }
    # The greatest probability of all is that of `none`, which no cell has.
    probabilities["node_2_1"] = torch.tensor([0.0, 0.2, 0.5, 0.2, 0.1])
    probabilities["node_3_0"] = torch.tensor([0.0, 0.6, 0.1, 0.2, 0.1])

    choices = derive_cell(probabilities, 3)

    assert choices == {
        "node_1_activation": names[3],
        "node_2_input": "1",
        "node_2_activation": names[1],
        "node_3_input": "0",
        "node_3_activation": names[0],
    }
    assert spaces.get("rnn(nodes=3)").architecture(choices)


def test_too_small_networks_are_refused() -> None:
    with pytest.raises(spaces.errors.InvalidParameter, match="at least 2 nodes"):
        spaces.get("rnn-search(nodes=1)")

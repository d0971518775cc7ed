"""The transformer over directed acyclic graphs, with reachability and depth."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import spaces
from predictor.encoders.dense_graphs import DenseGraphs
from predictor.encoders.reachability import depths, reachable
from predictor.encoders.transformer import (
    TransformerEncoder,
    TransformerLayer,
    sinusoids,
    with_paths,
)
from spaces.errors import InvalidParameter


@st.composite
def acyclic(draw: st.DrawFn) -> Tensor:
    """Adjacency [1, nodes, nodes] of a graph whose nodes are in no particular order."""
    nodes = draw(st.integers(1, 7))
    pairs = list(itertools.combinations(draw(st.permutations(range(nodes))), 2))
    adjacency = torch.zeros(1, nodes, nodes, dtype=torch.bool)
    for source, target in draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []:
        adjacency[0, source, target] = True
    return adjacency


def paths_from(adjacency: Tensor, node: int) -> list[list[int]]:
    """Every path of a graph [nodes, nodes] that begins at a node."""
    following = [
        [node, *path]
        for after in adjacency[node].nonzero().flatten()
        for path in paths_from(adjacency, after)
    ]
    return [[node], *following]


@given(acyclic())
def test_reachability_and_depth_are_those_of_all_paths(adjacency: Tensor) -> None:
    nodes = adjacency.shape[1]
    paths = [path for node in range(nodes) for path in paths_from(adjacency[0], node)]
    ends = {(int(path[0]), int(path[-1])) for path in paths}
    assert {tuple(pair) for pair in reachable(adjacency)[0].nonzero().tolist()} == ends
    longest = [
        max(len(path) - 1 for path in paths if int(path[-1]) == node) for node in range(nodes)
    ]
    assert depths(adjacency)[0].tolist() == longest


def test_graphs_of_a_batch_are_apart() -> None:
    chain, empty = torch.zeros(9, 9, dtype=torch.bool), torch.zeros(9, 9, dtype=torch.bool)
    chain[torch.arange(8), torch.arange(1, 9)] = True
    both = torch.stack([chain, empty])
    assert depths(both).tolist() == [list(range(9)), [0] * 9]
    assert torch.equal(reachable(both)[0], torch.ones(9, 9).triu().bool())
    assert torch.equal(reachable(both)[1], torch.eye(9).bool())


def test_a_cycle_does_not_hang() -> None:
    assert depths(torch.tensor([[[False, True], [True, False]]])).tolist() == [[2, 2]]


def test_sinusoids_by_hand() -> None:
    found = sinusoids(torch.tensor([[0, 3]]), 4)
    assert found.shape == (1, 2, 4)
    assert found[0, 0].tolist() == [0, 1, 0, 1]
    assert found[0, 1].tolist() == pytest.approx(
        [math.sin(3), math.cos(3), math.sin(0.03), math.cos(0.03)]
    )


def test_the_layer_is_torchs_own_with_a_mask() -> None:
    torch_layer = nn.TransformerEncoderLayer(12, 3, 20, dropout=0.0, batch_first=True)
    layer = TransformerLayer(12, 3, 20, dropout=0.0)
    names = {
        "self_attn.in_proj_": "projections.",
        "self_attn.out_proj.": "out.",
        "linear1.": "feed_forward.0.",
        "linear2.": "feed_forward.3.",
        "norm1.": "norms.0.",
        "norm2.": "norms.1.",
    }
    state = {}
    for name, weight in torch_layer.state_dict().items():
        prefix = next(prefix for prefix in names if name.startswith(prefix))
        state[names[prefix] + name.removeprefix(prefix)] = weight
    layer.load_state_dict(state)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 5, 12, generator=generator)
    mask = (torch.rand(2, 5, 5, generator=generator) < 0.5) | torch.eye(5, dtype=torch.bool)
    expected = torch_layer(
        x, src_mask=~mask.repeat_interleave(3, dim=0)
    )  # there true is what is left out
    torch.testing.assert_close(layer(x, mask), expected)


def test_nodes_attend_only_to_those_that_a_path_connects() -> None:
    # Of nasbench101: input -> 1 -> output and input -> 2 -> output; no path connects 1 and 2.
    space = spaces.get("nasbench101")
    given_edges = {"edge_0_1", "edge_0_2", "edge_1_6", "edge_2_6"}
    mapping = {
        choice.key: ("1" if choice.key in given_edges else "0")
        if choice.key.startswith("edge")
        else "conv3x3-bn-relu"
        for choice in space.choices
    }
    graphs = space.graphs([space.architecture(mapping)])
    masks = []
    encoder = TransformerEncoder.from_space(space, channels=8, heads=2, layers=1, hidden=8)
    encoder.layers[0].register_forward_hook(lambda module, given, found: masks.append(given[1]))
    encoder(with_paths(DenseGraphs.from_batch(graphs)))
    position = graphs.position.tolist()
    one, two = (position.index(number) for number in (1, 2))
    expected = torch.ones(4, 4, dtype=torch.bool)
    expected[one, two] = expected[two, one] = False
    assert torch.equal(masks[0][0], expected)


def test_repr() -> None:
    assert repr(TransformerLayer(8, 2, 16, 0.0)) == "TransformerLayer(8, heads=2)"


def test_channels_that_heads_do_not_divide() -> None:
    with pytest.raises(InvalidParameter, match="channels: a multiple of 10 for 5 heads, not 96"):
        TransformerEncoder.from_space(spaces.get("nasbench201"), heads=5)


def test_depth_is_told() -> None:
    # One operation at one position, once behind the input and once behind another operation.
    space = spaces.get("spos-tiny")
    encoder = TransformerEncoder.from_space(space, channels=8, heads=2, layers=1, hidden=8).eval()
    inputs = encoder.inputs(space, space.check(np.zeros((1, 6), dtype=int)))
    told = []
    encoder.layers[0].register_forward_pre_hook(lambda module, given: told.append(given[0]))
    encoder(inputs)
    bare = encoder.labels(inputs[0].operation, inputs[0].position)
    torch.testing.assert_close(told[0] - bare, sinusoids(torch.arange(7), 8)[None])

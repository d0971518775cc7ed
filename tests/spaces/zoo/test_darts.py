"""DARTS: the published networks' sizes, the wiring of both cells, the auxiliary head."""

from typing import Any

import numpy as np
import pytest
import torch

import spaces
from spaces import formats
from spaces.cells.darts import Skeleton
from spaces.cells.darts_design import OPERATIONS
from spaces.choice import Combination
from spaces.errors import InvalidParameter
from spaces.zoo.darts_space import DartsSpace

# Genotypes as the release prints them.
V1 = (
    "Genotype(normal=[('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 0),"
    " ('sep_conv_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0),"
    " ('skip_connect', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0),"
    " ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 0), ('max_pool_3x3', 0),"
    " ('skip_connect', 2), ('skip_connect', 2), ('avg_pool_3x3', 0)], reduce_concat=[2, 3, 4, 5])"
)
V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0),"
    " ('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0),"
    " ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0),"
    " ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0),"
    " ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)


@pytest.fixture(scope="module")
def tiny() -> DartsSpace:
    found = spaces.get("darts-tiny")
    assert isinstance(found, DartsSpace)
    return found


def chosen(**changes: str) -> dict[str, str]:
    """Choices: every node takes the two cells before, with nothing but what is given."""
    choices = {}
    for cell in ("normal", "reduce"):
        for node in range(4):
            choices[f"{cell}_{node}_inputs"] = "0+1"
            choices |= {f"{cell}_{node}_op_{slot}": "none" for slot in range(2)}
    assert choices.keys() >= changes.keys()
    return {**choices, **changes}


# Published networks


@pytest.mark.parametrize(("name", "text"), [("darts-v1", V1), ("darts-v2", V2)])
def test_published_cells_are_the_genotypes(name: str, text: str) -> None:
    assert spaces.published(name) == formats.read(text, "darts")
    assert spaces.published(f"{name}-imagenet").choices == spaces.published(name).choices


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("darts-v2", 3349342),  # the release's log: param size = 3.349342MB
        ("darts-v1", 3169414),
        ("darts-v2-imagenet", 4718752),  # the paper: 4.7M
        ("darts-v1-imagenet", 4510432),
    ],
)
def test_parameters_of_the_published_networks(name: str, params: int) -> None:
    architecture = spaces.published(name)
    space = spaces.get(architecture.space)
    assert space.params(architecture) == params
    assert sum(value.numel() for value in space.network(architecture).parameters()) == params


def test_macs_of_the_published_network() -> None:
    assert spaces.get("darts").macs(spaces.published("darts-v2")) == 528359040


def test_choices_are_in_the_order_of_the_paper(tiny: DartsSpace) -> None:
    keys = [choice.key for choice in tiny.choices]
    assert keys[:4] == ["normal_0_inputs", "normal_0_op_0", "normal_0_op_1", "normal_1_inputs"]
    assert (keys[12], keys[-1], len(keys)) == ("reduce_0_inputs", "reduce_3_op_1", 24)
    inputs = [choice for choice in tiny.choices if isinstance(choice, Combination)]
    assert [len(choice.candidates) for choice in inputs] == [1, 3, 6, 10] * 2
    assert tiny.choices[1].candidates == OPERATIONS
    assert tiny.size == (180 * 8**8) ** 2


# Wiring


def test_cells_at_a_third_and_two_thirds_reduce() -> None:
    cells = Skeleton((3, 32, 32), 36, 20, 3, False).cells
    assert [index for index, cell in enumerate(cells) if cell.reduces] == [6, 13]
    assert [cells[index].output for index in (0, 5, 6, 13, 19)] == [
        (144, 32, 32),
        (144, 32, 32),
        (288, 16, 16),
        (576, 8, 8),
        (576, 8, 8),
    ]
    assert [
        index
        for index, cell in enumerate(cells)
        if cell.preprocess[0].operator == "factorized_reduce"
    ] == [7, 14]


def test_only_edges_from_the_cells_before_are_strided(tiny: DartsSpace) -> None:
    choices = chosen(
        reduce_0_op_0="sep_conv_5x5",
        reduce_1_inputs="0+2",
        reduce_1_op_0="skip_connect",
        reduce_1_op_1="dil_conv_3x3",
        reduce_2_inputs="2+3",
        reduce_2_op_0="max_pool_3x3",
        reduce_2_op_1="skip_connect",
    )
    plan = tiny.plan(tiny.encode([tiny.architecture(choices)])[0])
    first = [step.block.key for step in plan.applied if step.name.startswith("cell_1/node")]
    assert first == [
        "sep_conv k5 s2 16x32x32 -> 16x16x16",
        "factorized_reduce s2 16x32x32 -> 16x16x16",
        "dil_conv k3 d2 s1 16x16x16 -> 16x16x16",
        "max_pool k3 s1 16x16x16 -> 16x16x16",
    ]


def test_cell_computes_its_choices() -> None:
    space = spaces.get("darts", channels=4, layers=3, stem_multiplier=2, input_size=16)
    choices = chosen(
        normal_0_op_0="sep_conv_3x3",
        normal_0_op_1="skip_connect",
        normal_1_inputs="1+2",
        normal_1_op_0="none",
        normal_1_op_1="avg_pool_3x3",
        normal_3_inputs="2+4",
        normal_3_op_0="dil_conv_5x5",
        normal_3_op_1="max_pool_3x3",
    )
    network: Any = space.network(space.architecture(choices)).eval()
    stem, pre0, pre1, sep, avg, dil, pool, *_ = network.blocks
    reached: list[torch.Tensor] = []
    network.blocks[8].register_forward_hook(lambda module, given, result: reached.append(given[0]))
    x = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        network(x)
        both = stem(x)
        one = sep(pre0(both)) + pre1(both)
        # Node 3 has no term, so that the pool of node 4 reads zeros.
        expected = torch.cat(
            [one, avg(one), torch.zeros_like(one), dil(one) + pool(torch.zeros_like(one))], 1
        )
    torch.testing.assert_close(
        reached[0], expected
    )  # what the next cell's second preprocessing reads


def test_stem_of_imagenet_has_three_strides() -> None:
    space = spaces.get("darts-imagenet")
    assert isinstance(space, DartsSpace)
    blocks = space.blocks(spaces.published("darts-v2-imagenet"))
    assert [block.key for block in blocks[:5]] == [
        "conv k3 s2 relu 3x224x224 -> 24x112x112",
        "conv k3 s2 24x112x112 -> 48x56x56",
        "relu_conv k3 s2 48x56x56 -> 48x28x28",
        "factorized_reduce s2 48x56x56 -> 48x28x28",
        "relu_conv k1 s1 48x28x28 -> 48x28x28",
    ]


def test_costs_are_not_additive(tiny: DartsSpace) -> None:
    assert not tiny.additive
    cell_before, node_before = (
        tiny.macs(tiny.architecture(chosen(reduce_2_inputs=inputs, reduce_2_op_0="skip_connect")))
        for inputs in ("0+1", "2+3")
    )
    assert cell_before > node_before


# The auxiliary head


@pytest.mark.parametrize(
    ("name", "features", "norm"),
    [
        ("darts(auxiliary=True, channels=4, layers=3)", 64, 1536),
        ("darts-imagenet(auxiliary=True, channels=4)", 64, 0),
    ],
)
def test_auxiliary_head_is_for_training(name: str, features: int, norm: int) -> None:
    space = spaces.get(name)
    architecture = space.sample(np.random.default_rng(0))
    network = space.network(architecture, num_classes=5)
    own = sum(value.numel() for value in network.parameters())
    plain = spaces.get(name.replace("auxiliary=True, ", "")).architecture(architecture.choices)
    without = spaces.get(plain.space).network(plain, num_classes=5)
    head = features * 128 + 256 + 128 * 768 * 4 + norm + 768 * 5 + 5
    assert own == sum(value.numel() for value in without.parameters()) + head
    x = torch.randn(2, *space.input_shape)
    scores, auxiliary = network.train()(x)
    assert scores.shape == auxiliary.shape == (2, 5)
    auxiliary.square().sum().backward()
    classifier: Any = network.blocks[-1]  # type: ignore[index]
    assert all(value.grad is None for value in classifier.parameters())
    with torch.no_grad():
        assert network.eval()(x).shape == (2, 5)


def test_auxiliary_head_leaves_the_network_as_it_is() -> None:
    choices = spaces.published("darts-v2").choices
    plain, space = (
        spaces.get("darts", channels=4, layers=3, auxiliary=auxiliary)
        for auxiliary in (False, True)
    )
    with_head = space.network(space.architecture(choices)).eval()
    network = plain.network(plain.architecture(choices)).eval()
    network.load_state_dict(
        {key: value for key, value in with_head.state_dict().items() if "auxiliary" not in key}
    )
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(with_head(x), network(x))


def test_drop_path_spares_skips_and_blocks_outside_cells(tiny: DartsSpace) -> None:
    choices = chosen(
        normal_0_op_0="sep_conv_3x3", normal_0_op_1="skip_connect", reduce_0_op_0="skip_connect"
    )
    plan = tiny.plan(tiny.encode([tiny.architecture(choices)])[0])
    dropped = {
        step.name.rpartition("/")[2]: step.block.operator for step in plan.applied if step.droppable
    }
    # The skip of a reducing cell is a block with weights, which the release drops too.
    assert dropped == {"sep_conv_3x3": "sep_conv", "skip_connect": "factorized_reduce"}
    assert {step.name.split("/")[-1] for step in plan.applied if not step.droppable} == {
        "stem_0",
        "preprocess_0",
        "preprocess_1",
        "classifier",
    }


def test_auxiliary_head_and_drop_path_go_together() -> None:
    space = spaces.get("darts-tiny", auxiliary=True)
    network: Any = space.network(space.sample(np.random.default_rng(0)))
    network.drop_path = 0.3
    x = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        torch.manual_seed(0)
        scores, auxiliary = network.train()(x)
        torch.manual_seed(1)
        others, _ = network(x)
        assert scores.shape == auxiliary.shape == (3, 10)
        assert not torch.equal(scores, others)
        assert network.eval()(x).shape == (3, 10)


# Graphs


def test_graph_has_live_operations_of_both_cells(tiny: DartsSpace) -> None:
    choices = chosen(
        normal_0_op_1="max_pool_3x3",
        normal_1_inputs="0+2",
        normal_1_op_0="skip_connect",
        normal_1_op_1="sep_conv_3x3",
        normal_3_inputs="3+4",
        normal_3_op_0="dil_conv_5x5",
        normal_3_op_1="dil_conv_5x5",  # reads the node without a term
    )
    graph = tiny.graph(tiny.architecture(choices))
    # Normal: two inputs, max pool, skip, sep, dil, output; reduce: two inputs, output.
    assert graph.operation.tolist() == [0, 0, 1, 3, 4, 7, 8, 0, 0, 8]
    assert graph.position.tolist() == [0, 19, 2, 3, 4, 7, 9, 0, 19, 18]
    assert sorted(graph.edge_index.T.tolist()) == [
        [0, 3],
        [1, 2],
        [2, 4],
        [2, 6],
        [3, 5],
        [3, 6],
        [4, 5],
        [4, 6],
        [5, 6],
    ]


def test_different_cells_have_different_graphs(tiny: DartsSpace) -> None:
    codes = tiny.sample(np.random.default_rng(0), 300)
    codes = codes[(codes[:, [c for c in range(24) if c % 3]] != 0).all(1)]
    batch = tiny.graphs(codes)
    seen = {
        (tuple(graph.operation.tolist()), tuple(graph.edge_index.reshape(-1).tolist()))
        for graph in batch.to_data_list()
    }
    assert len(seen) == len(codes) > 20


# Bad input


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"input_size": 30}, "multiple of 4, not 30"),
        ({"input_size": 48, "strided_stem": True}, "multiple of 32, not 48"),
        ({"layers": 2}, "3 layers at least"),
        ({"channels": 7}, "even number of channels; got 20 and 7"),
        ({"input_size": 64, "auxiliary": True}, "input_size of 32, or 224"),
    ],
)
def test_invalid_parameters_are_refused(parameters: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidParameter, match=named):
        spaces.get("darts", **parameters)

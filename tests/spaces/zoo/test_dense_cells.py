"""Densely joined cells: layout, costs and outputs by hand, topologies of stages, genotypes."""

import numpy as np
import pytest
import torch

import spaces
from spaces import formats
from spaces.block import Block
from spaces.cells.dense import EDGES, OPERATIONS
from spaces.errors import InvalidArchitecture, InvalidFile, InvalidParameter
from spaces.modules.blocks import build
from spaces.zoo.dense_cells import DenseCellsSpace

SMALL = "dense-cells(channels=4, layers=5, stem_multiplier=1, input_size=16)"

# The first cell of the network that aw_nas has in its tests.
FIRST_CELL = (
    "init_node~2+|skip_connect~0|sep_conv_3x3~1|+|none~0|skip_connect~1|skip_connect~2|+"
    "|none~0|sep_conv_3x3~1|ResSepConv~2|skip_connect~3|+"
    "|skip_connect~0|sep_conv_3x3~1|sep_conv_3x3~2|sep_conv_3x3~3|sep_conv_3x3~4|"
)


def dense(name: str = SMALL) -> DenseCellsSpace:
    space = spaces.get(name)
    assert isinstance(space, DenseCellsSpace)
    return space


def stages() -> DenseCellsSpace:
    return dense(SMALL.replace(")", ", topologies='stages')"))


def test_default_space_is_that_of_the_paper() -> None:
    space = dense("dense-cells")

    assert len(space.choices) == 8 * 14
    assert [cell.reduces for cell in space.skeleton.cells].count(True) == 2
    assert [index for index, cell in enumerate(space.skeleton.cells) if cell.reduces] == [2, 5]
    by_stage = dense("dense-cells(topologies='stages')")
    assert by_stage.groups == (0, 0, 1, 2, 2, 1, 3, 3)
    assert len(by_stage.choices) == 4 * 14


def without_operations(space: DenseCellsSpace) -> dict[str, str]:
    return {choice.key: "none" for choice in space.choices}


@pytest.mark.parametrize(
    ("operation", "params", "macs_per_pixel"),
    [
        ("none", 0, 0),
        ("skip_connect", 0, 0),
        # Twice a depthwise 3x3 and a pointwise convolution of 4 channels, with normalisation.
        ("sep_conv_3x3", 2 * (9 * 4 + 4 * 4 + 2 * 4), 2 * (9 * 4 + 4 * 4)),
        ("res_sep_conv_3x3", 2 * (9 * 4 + 4 * 4 + 2 * 4), 2 * (9 * 4 + 4 * 4)),
    ],
)
def test_edge_costs_what_its_operation_costs(
    operation: str, params: int, macs_per_pixel: int
) -> None:
    space = dense()
    choices = without_operations(space)
    empty = space.architecture(choices)

    changed = space.architecture({**choices, "normal_0_edge_2_4": operation})

    assert space.macs(changed) - space.macs(empty) == macs_per_pixel * 16 * 16
    assert space.params(changed) - space.params(empty) == params


def test_residual_convolution_adds_its_input() -> None:
    space = dense()
    choices = {
        **without_operations(space),
        "normal_0_edge_0_2": "skip_connect",
        "normal_0_edge_2_3": "res_sep_conv_3x3",
    }
    plan = space.plan(space.encode([space.architecture(choices)])[0])
    (step,) = [step for step in plan.applied if "edge_2_3" in step.name]
    plain = Block("sep_conv", step.block.input, step.block.output, 3, stride=1)
    residual, separable = build(step.block).eval(), build(plain).eval()
    # The same layers, one level deeper.
    separable.load_state_dict(
        dict(zip(separable.state_dict(), residual.state_dict().values(), strict=True))
    )
    features = torch.randn(2, *step.block.input)

    torch.testing.assert_close(residual(features), separable(features) + features)


def test_reducing_cells_reduce_the_input_of_a_residual_convolution_too() -> None:
    space = dense()
    choices = {**without_operations(space), "reduce_1_edge_0_2": "res_sep_conv_3x3"}

    blocks = space.blocks(space.architecture(choices))

    strided = [block for block in blocks if block.stride == 2]
    kinds = sorted(block.operator for block in strided)
    fixed = sorted(block.operator for block in space.fixed_blocks if block.stride == 2)
    assert kinds == sorted([*fixed, "sep_conv", "factorized_reduce"])


def test_supernet_of_cells_runs_networks_of_stages() -> None:
    cells, by_stage = dense(), stages()
    codes = by_stage.sample(np.random.default_rng(0), 3)
    converted = cells.codes_for(by_stage, codes)
    images = torch.randn(2, 3, 16, 16)
    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    supernets = [
        space.supernet(10, generator)
        for space, generator in zip((cells, by_stage), generators, strict=True)
    ]

    assert cells.covers(by_stage)
    assert not by_stage.covers(cells)
    assert (cells.macs(converted) == by_stage.macs(codes)).all()
    for row, stage_row in zip(converted, codes, strict=True):
        outputs = []
        for model, active in zip(supernets, (row, stage_row), strict=True):
            model.eval().activate(active)
            outputs.append(model(images))
        assert torch.equal(*outputs)


def test_graph_leaves_out_edges_without_information() -> None:
    space = dense()
    choices = {
        **without_operations(space),
        "normal_0_edge_0_3": "sep_conv_3x3",
        # Its source has no input, so that it carries nothing.
        "normal_0_edge_2_4": "skip_connect",
    }

    graph = space.graph(space.architecture(choices))

    num_topologies = len(space.choices) // len(EDGES)
    assert graph.num_nodes == 3 * num_topologies + 1
    # From the second input to the edge, and from it to the output.
    assert graph.edge_index.shape[1] == 2
    assert sorted(graph.operation.tolist()).count(len(OPERATIONS)) == num_topologies


def test_published_network_is_the_genotype_of_aw_nas() -> None:
    architecture = spaces.published("msrobnet-1560")

    text = formats.write(architecture, "aw-nas-dense")

    assert text.startswith(f"DenseRobGenotype(normal_0={FIRST_CELL!r}, normal_1=")
    assert formats.read(text) == architecture


@pytest.mark.parametrize("name", ["dense-cells", "dense-cells(topologies='stages')"])
def test_genotypes_read_back(name: str) -> None:
    space = spaces.get(name)
    for seed in range(3):
        architecture = space.sample(np.random.default_rng(seed))
        text = formats.write(architecture, "aw-nas-dense")
        assert formats.read(text) == architecture
        assert formats.read(f"genotype = {text}", "aw-nas-dense", space) == architecture


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("init_node~2", "init_node~1", "init_node~2"),
        ("sep_conv_3x3~1", "sep_conv_3x3~0", "must end in '~1'"),
        ("sep_conv_3x3~1", "conv_9x9~1", "unknown operation 'conv_9x9'"),
        ("|skip_connect~0|sep_conv_3x3~1|", "|skip_connect~0|", "2 edges are needed"),
        ("normal_0", "normal_9", "no space of dense-cells has the cells normal_9"),
        ("'init_node~2", "7, x='init_node~2", "must be a text, not 7"),
    ],
)
def test_faulty_genotypes_are_refused(old: str, new: str, message: str) -> None:
    text = formats.write(spaces.published("msrobnet-1560"), "aw-nas-dense")

    with pytest.raises(InvalidFile, match=message.replace("(", r"\(")):
        formats.read(text.replace(old, new, 1), "aw-nas-dense")


def test_architectures_of_other_spaces_have_no_such_genotype() -> None:
    other = spaces.get("nasbench201").architecture([0] * 6)

    with pytest.raises(InvalidArchitecture, match="for dense-cells, not for nasbench201"):
        formats.write(other, "aw-nas-dense")


@pytest.mark.parametrize("options", ["input_size=30", "layers=3", "channels=5", "topologies='all'"])
def test_wrong_parameters_are_refused(options: str) -> None:
    with pytest.raises(InvalidParameter, match=r"must be|must have"):
        spaces.get(f"dense-cells({options})")

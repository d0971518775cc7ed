"""Cells of aw_nas, whose nodes may read one input twice."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import spaces
from spaces import formats
from spaces.errors import InvalidArchitecture
from tests.published import AW_NAS_README

# The second node reads input 0 twice, by different operations, and the third by equal ones.
REPEATED = (
    "CNNGenotype(normal_0=[('sep_conv_3x3', 0, 2), ('skip_connect', 1, 2), ('dil_conv_3x3', 0, 3),"
    " ('avg_pool_3x3', 0, 3), ('sep_conv_5x5', 2, 4), ('sep_conv_5x5', 2, 4), ('none', 1, 5),"
    " ('max_pool_3x3', 4, 5)], reduce_1=[('sep_conv_3x3', 1, 2), ('sep_conv_3x3', 1, 2),"
    " ('skip_connect', 0, 3), ('skip_connect', 0, 3), ('dil_conv_5x5', 3, 4),"
    " ('avg_pool_3x3', 2, 4), ('none', 0, 5), ('max_pool_3x3', 0, 5)],"
    " normal_0_concat=[2, 3, 4, 5], reduce_1_concat=[2, 3, 4, 5])"
)
TINY = "darts-tiny(repeated_inputs=True)"

SMALL = "darts-tiny(repeated_inputs=True,input_size=8,channels=4,layers=3)"


def test_a_genotype_with_repeated_inputs_is_read() -> None:
    architecture = formats.read(REPEATED)
    assert architecture.space == "darts(repeated_inputs=True)"
    assert architecture["normal_1_inputs"] == "0+0"
    assert (architecture["normal_1_op_0"], architecture["normal_1_op_1"]) == (
        "dil_conv_3x3",
        "avg_pool_3x3",
    )
    for form in ("aw-nas", "darts"):
        assert formats.read(formats.write(architecture, form), form) == architecture
    with pytest.raises(InvalidArchitecture, match="unlike a space with repeated_inputs=True"):
        formats.read(REPEATED, "aw-nas", "darts")


def test_codes_of_different_inputs_are_those_of_the_release() -> None:
    plain = spaces.get("darts-tiny")
    space = spaces.get(TINY)
    for choice, extended in zip(plain.choices, space.choices, strict=True):
        assert extended.candidates[: len(choice.candidates)] == choice.candidates
    assert space.choices[0].candidates == ("0+1", "0+0", "1+1")

    codes = plain.sample(np.random.default_rng(0), 20)
    assert space.macs(codes).tolist() == plain.macs(codes).tolist()
    graphs = [made.graphs(codes) for made in (plain, space)]
    assert torch.equal(graphs[0].edge_index, graphs[1].edge_index)


def test_networks_with_repeated_inputs_count_as_the_space_does() -> None:
    space = spaces.get(TINY)
    architecture = formats.read(REPEATED, "aw-nas", TINY)
    network = space.network(architecture).eval()
    assert sum(value.numel() for value in network.parameters()) == space.params(architecture)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, *space.input_shape))
    assert counter.get_total_flops() == 2 * space.macs(architecture)


def test_supernets_run_repeated_inputs() -> None:
    space = spaces.get(TINY)
    supernet = space.supernet().eval()
    supernet.activate(formats.read(REPEATED, "aw-nas", TINY))
    with torch.no_grad():
        assert supernet(torch.zeros(2, *space.input_shape)).shape == (2, 10)


def test_graphs_have_a_vertex_for_each_operation_on_an_input() -> None:
    space = spaces.get(TINY)
    architecture = formats.read(REPEATED, "aw-nas", TINY)
    graph = space.graph(architecture)
    names = ["", *space.operations]
    edges = graph.edge_index.T.tolist()
    # The normal cell's first input comes first.
    readers = [names[int(graph.operation[end])] for start, end in edges if start == 0]
    assert sorted(readers) == ["avg_pool_3x3", "dil_conv_3x3", "sep_conv_3x3"]
    assert len(space.sketch(architecture).boxes) > 12


def test_the_example_of_aw_nas_is_read_and_trained() -> None:
    architecture = formats.read(AW_NAS_README)
    assert architecture.space == "darts(repeated_inputs=True)"
    assert architecture["normal_0_inputs"] == "1+1"
    assert architecture["reduce_2_inputs"] == "1+1"
    for form in ("aw-nas", "darts", "pathfit"):
        assert formats.read(formats.write(architecture, form), form) == architecture

    network = spaces.get(SMALL).network(formats.read(AW_NAS_README, "aw-nas", SMALL))
    network.drop_path = 0.2  # type: ignore[assignment]
    optimizer = torch.optim.SGD(network.parameters(), 0.05)
    images = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    losses = []
    for _ in range(12):
        loss = nn.functional.cross_entropy(network(images), torch.arange(8))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("form", ["nni", "nni-1.9", "nni-2.10", "nni-3.0", "nni-sample"])
def test_nnis_formats_refuse_an_input_twice_when_they_write(form: str) -> None:
    with pytest.raises(InvalidArchitecture, match=r"normal_0_inputs: .* not '1\+1'"):
        formats.write(formats.read(AW_NAS_README), form)


def test_the_order_of_operations_on_one_input_has_no_effect() -> None:
    space = spaces.get(TINY)
    architecture = formats.read(AW_NAS_README, "aw-nas", TINY)
    choices = dict(architecture.choices)
    choices["normal_0_op_0"], choices["normal_0_op_1"] = "skip_connect", "dil_conv_3x3"
    swapped = space.architecture(choices)
    choices["normal_1_op_0"] = "skip_connect"
    other = space.architecture(choices)

    keys = space.isomorphism_keys(space.encode([architecture, swapped, other]))

    assert (keys[0] == keys[1]).all()
    assert not (keys[1] == keys[2]).all()
    representatives = space.representatives(space.encode([architecture, swapped]))
    assert space.macs(representatives).tolist() == [space.macs(architecture)] * 2

    plain = spaces.get("darts-tiny")
    codes = plain.sample(np.random.default_rng(0), 50)
    assert plain.isomorphism_keys(codes) is codes

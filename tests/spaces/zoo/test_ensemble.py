"""Ensembles: scores are the mean of the members', costs their sum."""

import numpy as np
import pytest
import torch

import spaces
from oneshot.algorithms.cells import searchable
from oneshot.errors import InvalidOption
from oneshot.retraining.supernet_weights import inherit
from spaces.errors import InvalidParameter
from spaces.zoo.ensemble import EnsembleSpace

NAME = "ensemble(space='nasbench201(channels=4, cells=1)', members=3)"


@pytest.fixture(scope="module")
def space() -> EnsembleSpace:
    made = spaces.get(NAME)
    assert isinstance(made, EnsembleSpace)
    return made


def test_scores_are_the_mean_of_the_members(space: EnsembleSpace) -> None:
    architecture = space.architecture(space.sample(np.random.default_rng(0), 1)[0])
    network = space.network(architecture, generator=torch.Generator().manual_seed(5)).eval()

    # The members draw their weights from one generator, in order.
    generator = torch.Generator().manual_seed(5)
    members = [
        space.member.network(member, generator=generator).eval()
        for member in space.architectures(architecture)
    ]
    x = torch.randn(4, *space.input_shape)
    with torch.no_grad():
        expected = sum(member(x) for member in members) / 3
        torch.testing.assert_close(network(x), expected)


def test_costs_are_the_sums_of_the_members(space: EnsembleSpace) -> None:
    codes = space.sample(np.random.default_rng(1), 10)
    for count in ("macs", "params"):
        parts = [getattr(space.member, count)(part) for part in space.parts(codes)]
        assert getattr(space, count)(codes).tolist() == sum(parts).tolist()
    assert space.size == space.member.size**3


OFA = (
    "ensemble(space='ofa-mobilenetv3(resolutions=(32,), width=0.35, kernels=(3,), depths=(1, 2),"
    " num_classes=5)')"
)


@pytest.mark.parametrize("name", [NAME, OFA])
def test_a_supernet_gives_its_weights_to_a_network(name: str) -> None:
    space = spaces.get(name)
    supernet = space.supernet(generator=torch.Generator().manual_seed(1)).eval()
    architecture = space.architecture(space.sample(np.random.default_rng(2), 1)[0])
    network = space.network(architecture).eval()
    inherit(network, supernet, architecture)
    x = torch.randn(2, *space.input_shape)
    with torch.no_grad():
        torch.testing.assert_close(network(x), supernet(x))


def test_members_have_weights_of_their_own(space: EnsembleSpace) -> None:
    supernet = space.supernet()
    first, second = (list(member.parameters()) for member in supernet.members[:2])  # type: ignore[union-attr,index]
    assert not {id(value) for value in first} & {id(value) for value in second}
    assert any(not torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("name", ["nasbench101", "nasbench201(cells=1)", "spos-tiny"])
def test_capabilities_are_those_of_a_member(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    member = spaces.get(name)
    # As of a user's own network.
    monkeypatch.setattr(member, "blocks_are_modules", False)

    space = EnsembleSpace("made", member, 2)

    for capability in (
        "irregular",
        "repeats_cells",
        "operations_on_edges",
        "searches_wiring",
        "widths_follow_wiring",
        "blocks_are_modules",
    ):
        assert getattr(space, capability) == getattr(member, capability), capability


def test_one_member_is_its_own_space() -> None:
    space = spaces.get("ensemble(members=1)")
    member = spaces.get("spos-tiny")
    codes = member.sample(np.random.default_rng(0), 3)
    networks = [
        made.network(made.architecture(codes[0]), generator=torch.Generator().manual_seed(0)).eval()
        for made in (space, member)
    ]
    x = torch.randn(2, *space.input_shape)
    with torch.no_grad():
        assert torch.equal(networks[0](x), networks[1](x))
    assert space.macs(codes).tolist() == member.macs(codes).tolist()


def test_graphs_are_separate_components(space: EnsembleSpace) -> None:
    architecture = space.architecture(space.sample(np.random.default_rng(3), 1)[0])
    graph = space.graph(architecture)
    members = [space.member.graph(member) for member in space.architectures(architecture)]
    assert graph.num_nodes == sum(member.num_nodes for member in members)
    assert graph.operation.tolist() == [
        label for member in members for label in member.operation.tolist()
    ]
    assert len(space.sketch(architecture).boxes) == sum(
        len(space.member.sketch(member).boxes) for member in space.architectures(architecture)
    )


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("ensemble(members=17)", r"members must be 1 \.\.\. 16, not 17"),
        (
            "ensemble(space='ofa-mobilenetv3(resolutions=(32, 64))')",
            "images of one size, unlike ofa-mobilenetv3",
        ),
        ("ensemble(space='decoder-tiny')", "unlike decoder-tiny"),
        ("ensemble(space='spos-tiny(head=mask, num_classes=3)')", "score classes"),
    ],
)
def test_members_of_another_kind_are_refused(name: str, named: str) -> None:
    with pytest.raises(InvalidParameter, match=named):
        spaces.get(name)


def test_algorithms_that_need_choices_as_modules_are_refused(space: EnsembleSpace) -> None:
    with pytest.raises(InvalidOption, match="train it with spos"):
        searchable(space.supernet())

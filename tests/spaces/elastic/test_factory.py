"""Spaces of smaller versions: what can be cut, and that each cut is the masked original."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spaces.elastic import ElasticSpace, InvalidNetwork, from_network
from spaces.elastic.choices import Removal, Width
from spaces.elastic.reference import masked_network
from spaces.modules.nested import tensors_in
from spaces.testing import counted_flops
from tests.spaces.elastic.example_networks import DataDependent, ResNet, build, space_of

IMAGES = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def outputs(network: nn.Module, images: Tensor = IMAGES) -> Tensor:
    with torch.no_grad():
        return next(tensors_in(network.eval()(images)))


def codes_of(space: ElasticSpace, count: int = 3) -> list[list[int]]:
    return space.sample(np.random.default_rng(0), count).tolist()


def test_largest_network_computes_the_original_bit_for_bit(network_name: str) -> None:
    space = space_of(network_name)

    largest = space.network(space.original)

    assert torch.equal(outputs(largest), outputs(build(network_name)))


def test_smaller_networks_equal_the_masked_original(network_name: str) -> None:
    space = space_of(network_name)
    original = build(network_name)

    for row in codes_of(space):
        small = space.network(space.architecture(row))
        masked = masked_network(original, small, space.cut(row))
        expected = outputs(masked)

        difference = (outputs(small) - expected).abs().max() / expected.abs().max()
        assert difference <= 1e-5


def test_smaller_networks_are_of_the_users_class(network_name: str) -> None:
    space = space_of(network_name)
    original = build(network_name)

    small = space.network(space.smallest)

    assert type(small) is type(original)
    assert sum(value.numel() for value in small.parameters()) < sum(
        value.numel() for value in original.parameters()
    )


def test_counts_are_those_of_the_networks(
    network_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = space_of(network_name)
    # Torch's counter has no formula of its kernel of whole layers of transformers.
    monkeypatch.setattr(torch.backends.mha, "_is_fastpath_enabled", False)

    for row in codes_of(space):
        architecture = space.architecture(row)
        network = space.network(architecture).eval()
        _, flops = counted_flops(network, IMAGES)

        # Two operations a multiply-accumulate, and three images.
        assert flops == 2 * 3 * space.macs(architecture)
        assert sum(value.numel() for value in network.parameters()) == space.params(architecture)


def test_choices_cover_most_of_the_macs(network_name: str) -> None:
    report = space_of(network_name).report()

    assert report.coverage >= 0.6
    assert report.to_dict()["covered_macs"] <= report.macs


def test_supernet_runs_slices_of_its_own_weights(network_name: str) -> None:
    space = space_of(network_name)
    supernet = space.supernet().eval()

    for row in codes_of(space, 2):
        supernet.activate(row)
        assert torch.equal(outputs(supernet), outputs(space.network(space.architecture(row))))


def test_supernet_trains_the_weights_that_a_path_uses() -> None:
    space = space_of("resnet")
    supernet = space.supernet().train()
    supernet.activate(space.encode([space.smallest])[0])

    supernet(IMAGES).square().mean().backward()

    weight = supernet.model.classifier.weight
    width = next(
        choice
        for choice in space.elastic_choices
        if isinstance(choice, Width) and "classifier" in choice.slices.paths
    )
    removed = torch.from_numpy(width.removed(len(width.counts) - 1))
    assert (weight.grad[:, removed] == 0).all()
    assert (weight.grad[:, ~removed] != 0).any()


def test_removed_channels_by_hand() -> None:
    """The same by zeroing weights of a network of two layers, without the code under test."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Linear(16, 3))
    space = from_network(network, torch.zeros(1, 6))
    inputs = torch.randn(5, 6)

    small = space.network(space.architecture({"0": "8"}))

    kept = torch.from_numpy(np.sort(space.elastic_choices[0].order[:8]))
    network[2].weight.data[:, [i for i in range(16) if i not in kept.tolist()]] = 0
    assert torch.allclose(outputs(small, inputs), outputs(network, inputs), atol=1e-6)


def test_skipped_block_passes_its_input() -> None:
    space = space_of("resnet")
    removal = next(choice for choice in space.elastic_choices if isinstance(choice, Removal))
    codes = [0] * len(space.choices)
    codes[space.elastic_choices.index(removal)] = 1

    network = space.network(space.architecture(codes))

    features = torch.randn(2, 16, 4, 4)
    assert torch.equal(network.get_submodule(removal.path)(features), features)
    assert space.macs(space.architecture(codes)) < space.macs(space.original)


def test_choices_inside_a_skipped_block_have_no_effect() -> None:
    space = space_of("resnet")
    removal = next(choice for choice in space.elastic_choices if isinstance(choice, Removal))
    column = space.elastic_choices.index(removal)
    inside = next(
        index
        for index, choice in enumerate(space.elastic_choices)
        if isinstance(choice, Width)
        and all(path.startswith(removal.path) for path in choice.slices.paths)
    )
    codes = np.zeros((2, len(space.choices)), dtype=space.dtype)
    codes[:, column] = 1
    codes[1, inside] = 2

    checked = space.check(codes)

    assert (checked[0] == checked[1]).all()


def test_size_counts_each_architecture_once() -> None:
    torch.manual_seed(0)
    space = from_network(ResNet((8, 8)), torch.zeros(1, 3, 8, 8), divisor=4)

    count = sum(len(codes) for codes in space.enumerate_codes())

    assert count == space.size


def test_heads_are_cut_as_wholes() -> None:
    for name in ("vit", "fused-vit", "torch-transformer"):
        space = space_of(name)
        heads = [choice for choice in space.choices if choice.key.endswith(".heads")]

        assert [choice.candidates[0] for choice in heads] == ["4", "4"], name


def test_outputs_stay_whole_with_their_reason() -> None:
    whole = space_of("resnet").report().to_dict()["whole"]

    assert whole == {"classifier": "its channels are the network's output"}


def test_chunked_channels_are_cut_together() -> None:
    space = space_of("gated")

    small = space.network(space.smallest)

    assert small.stem.out_channels == 2 * small.last.in_channels


def test_taylor_order_follows_the_loss() -> None:
    """Channels that the loss does not need are the least important, however large they are."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
    with torch.no_grad():
        network[0].bias.fill_(5.0)
        # Large weights into the first eight, which the second output alone reads.
        network[0].weight[:8] *= 10
        network[2].weight[0, :8] = 0
    inputs = torch.randn(32, 4)

    space = from_network(
        network, torch.zeros(1, 4), losses=lambda model: [model(inputs)[:, 0].square().mean()]
    )

    assert set(space.elastic_choices[0].order[:8].tolist()) == set(range(8, 16))


@pytest.mark.parametrize(
    ("network", "example", "message"),
    [
        (DataDependent(), torch.zeros(1, 3, 8, 8), "example_networks.py, line"),
        (nn.Conv2d(3, 8, 3), torch.zeros(1, 4, 8, 8), "Conv2d fails with the example input"),
        (nn.Linear(4, 2), torch.zeros(1, 4), "nothing of it can be cut"),
        (nn.ReLU(), torch.zeros(1, 4), "ReLU"),
        (lambda x: x, torch.zeros(1, 4), "a torch module, not function"),
    ],
    ids=["data-dependent", "example", "one-layer", "no-layers", "function"],
)
def test_unusable_network_is_refused(network: nn.Module, example: Tensor, message: str) -> None:
    with pytest.raises(InvalidNetwork, match=message):
        from_network(network, example)

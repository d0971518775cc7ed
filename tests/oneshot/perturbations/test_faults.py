"""Fault models: shares within their binomial errors, closed forms, gradients and seeds."""

import math

import pytest
import torch
from torch import Tensor, nn

from oneshot.errors import InvalidOption
from oneshot.perturbations import Conditions
from oneshot.perturbations.registry import PERTURBATIONS
from oneshot.perturbations.rounding import on_power_of_two_grid, power_of_two_step


def convolution(inputs: int = 16, kernel: int = 1, outputs: int = 16) -> nn.Conv2d:
    # Another seed than those of the draws, whose uniform numbers the weights would be.
    torch.manual_seed(9)
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)


def features(channels: int = 16, count: int = 16, side: int = 32) -> Tensor:
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(1))


def output(text: str, layer: nn.Module, inputs: Tensor, seed: int = 0) -> Tensor:
    """The outputs of a layer under a perturbation."""
    perturbation = PERTURBATIONS.make(text)
    generator = torch.Generator().manual_seed(seed)
    with perturbation.around(layer, inputs, torch.sum, generator):
        result: Tensor = layer(inputs)
    return result


def levels_with_and_without(options: str, layer: nn.Module, inputs: Tensor) -> tuple[Tensor, ...]:
    """The levels of the outputs with faults and without."""
    exact = output("feature-faults(p=0)", layer, inputs)
    faulty = output(f"feature-faults({options})", layer, inputs)
    step = power_of_two_step(exact, 8)
    return tuple((values / step).round().long() for values in (faulty, exact))


def assert_share(count: int, total: int, probability: float) -> None:
    """Assert that a share is within four binomial deviations of its probability."""
    deviation = math.sqrt(probability * (1 - probability) / total)
    assert abs(count / total - probability) < 4 * deviation


def test_faults_of_16_products_have_the_share_of_the_formula() -> None:
    faulty, exact = levels_with_and_without("p=0.01", convolution(), features())

    # 1 - (1 - .01)^16 = .149
    probability = 1 - 0.99**16
    assert probability == pytest.approx(0.149, abs=5e-4)
    assert_share(int((faulty != exact).sum()), exact.numel(), probability)


@pytest.mark.parametrize(
    ("options", "kernel", "probability"),
    [
        ("p=0.001", 3, 1 - 0.999**144),
        ("p=0.02, proportional=False", 3, 0.02),
        # 144 products in 9 sums of 16: floor(log2 9) = 3 further bits.
        ("p=0.002, adder_tree=16", 3, (1 - 0.998**16) * (8 + 3) / 8),
        ("p=0.001, mode='maximum'", 3, 1 - 0.999**144),
        ("p=0.001, mode='flip'", 3, 1 - 0.999**144),
    ],
)
def test_share_of_faulty_values(options: str, kernel: int, probability: float) -> None:
    faulty, exact = levels_with_and_without(options, convolution(16, kernel), features())

    assert_share(int((faulty != exact).sum()), exact.numel(), probability)


def test_bias_is_a_power_of_two_with_uniform_exponent_and_sign() -> None:
    faulty, exact = levels_with_and_without("p=0.01", convolution(), features())
    change = (faulty - exact)[faulty != exact]

    # The sum is clamped; without it changes are powers of two.
    inside = (faulty > -128) & (faulty < 127) & (faulty != exact)
    unclamped = (faulty - exact)[inside]
    bits = unclamped.abs().double().log2()
    assert torch.equal(bits, bits.round())
    assert set(torch.unique(bits).tolist()) == set(range(8))
    # The five lowest bits are rarely clamped.
    for bit in range(5):
        assert_share(int((change.abs() == 2**bit).sum()), len(change), 1 / 8)
    assert_share(int((change > 0).sum()), len(change), 1 / 2)
    assert faulty.min() >= -128
    assert faulty.max() <= 127


def test_flips_invert_one_bit_of_the_twos_complement() -> None:
    faulty, exact = levels_with_and_without("p=0.01, mode='flip'", convolution(), features())
    changed = faulty != exact

    difference = (faulty & 255) ^ (exact & 255)

    counts = torch.bincount(difference[changed], minlength=256)
    assert set(counts.nonzero()[:, 0].tolist()) == {2**bit for bit in range(8)}
    for bit in range(8):
        assert_share(int(counts[2**bit]), int(changed.sum()), 1 / 8)


def test_maximum_saturates_or_moves_by_128_levels() -> None:
    faulty, exact = levels_with_and_without("p=0.01, mode='maximum'", convolution(), features())
    changed = faulty != exact

    ends = (faulty == -128) | (faulty == 127)
    moved = (faulty - exact).abs() == 128
    assert (ends | moved)[changed].all()


def test_salt_and_pepper_sets_the_ends_of_the_range() -> None:
    faulty, exact = levels_with_and_without(
        "p=0.01, mode='salt-and-pepper'", convolution(), features()
    )
    values = faulty[faulty != exact]

    assert set(torch.unique(values).tolist()) == {-128, 127}
    assert_share(int((values == 127).sum()), len(values), 1 / 2)


def test_gaussian_noise_has_its_deviation() -> None:
    faulty, exact = levels_with_and_without(
        "p=1, mode='gaussian', deviation=0.05", convolution(), features()
    )
    inside = (faulty > -128) & (faulty < 127)

    assert (faulty - exact)[inside].double().std().item() == pytest.approx(6.4, rel=0.02)


def test_adder_tree_multiplies_biases_and_adds_low_bits() -> None:
    faulty, exact = levels_with_and_without(
        "p=0.002, adder_tree=36", convolution(16, 3), features()
    )
    inside = (faulty > -128) & (faulty < 127) & (faulty != exact)

    # 144 products are 4 sums, so that the least bias is 4 x 2^-2 = 1 step.
    changes = set(torch.unique((faulty - exact)[inside].abs()).tolist())
    assert changes <= {2**bit for bit in range(8)}
    assert {1, 2, 4, 8} <= changes


def test_faults_of_a_shared_unit_repeat_in_each_tile() -> None:
    faulty, exact = levels_with_and_without(
        "p=0.01, mode='salt-and-pepper', tile=8", convolution(), features(side=16)
    )
    mask = faulty != exact

    tiles = mask.view(16, 2, 8, 2, 8, 2, 8)
    first = tiles[0, 0, :, 0, :, 0, :]
    assert first.any()
    for image in range(16):
        for channel, row, column in ((0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 1, 1)):
            assert torch.equal(tiles[image, channel, :, row, :, column, :], first)


def test_gradients_pass_through_faults_of_features() -> None:
    layer = convolution()
    inputs = features(count=2, side=4)

    output("feature-faults(p=0.05)", layer, inputs).sum().backward()  # type: ignore[no-untyped-call]

    # Every output has the gradient 1, whether it is faulty or not.
    expected = inputs.sum((0, 2, 3)).view(1, 16, 1, 1).expand_as(layer.weight)
    assert layer.weight.grad is not None
    torch.testing.assert_close(layer.weight.grad, expected)


def weights_under(text: str, layer: nn.Conv2d, seed: int = 0) -> Tensor:
    """The weights of a layer as they are within the context."""
    generator = torch.Generator().manual_seed(seed)
    weights: list[Tensor] = []

    class Reading(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, inputs: Tensor) -> Tensor:
            weights.append(self.layer.weight)
            return inputs

    model = Reading()
    with PERTURBATIONS.make(text).around(model, torch.zeros(1), torch.sum, generator) as inputs:
        model(inputs)
    return weights[0]


def test_stuck_cells_have_the_shares_of_both_arrays() -> None:
    layer = convolution(64, 3, 256)
    exact = on_power_of_two_grid(layer.weight.detach(), 8)
    largest = exact.abs().max()
    total = exact.numel()
    p, at_one = 0.08, 0.08 * 0.163

    stuck = weights_under("weight-faults", layer).detach()

    # Plus array first: stuck at 1 adds the largest weight, which the minus array may take away.
    positive = exact > 0
    assert_share(
        int((positive & (stuck == largest) & (exact != largest)).sum()),
        int(positive.sum()),
        at_one * (1 - at_one),
    )
    # To 0: stuck at 0 in the array of its sign; or at 1 in both, from the largest to 0.
    zeroed = int((positive & (stuck == 0)).sum())
    expected_zero = (p - at_one) * (1 - at_one) + at_one * at_one
    assert_share(zeroed, int(positive.sum()), expected_zero)
    assert stuck.abs().max() <= largest
    assert int((stuck != exact).sum()) > 0.05 * total


def test_faulty_weights_get_no_gradient() -> None:
    layer = convolution(16, 3)
    exact = on_power_of_two_grid(layer.weight.detach(), 8)

    stuck = weights_under("weight-faults", layer)
    stuck.sum().backward()  # type: ignore[no-untyped-call]

    assert layer.weight.grad is not None
    moved = stuck.detach() != exact
    assert moved.any()
    assert (layer.weight.grad[moved] == 0).all()
    assert_share(int((layer.weight.grad == 0).sum()), exact.numel(), 1 - 0.92**2)
    assert set(torch.unique(layer.weight.grad).tolist()) == {0.0, 1.0}


def test_stuck_bits_have_their_share() -> None:
    layer = convolution(64, 3, 256)
    step = power_of_two_step(layer.weight.detach(), 8)
    levels = (on_power_of_two_grid(layer.weight.detach(), 8) / step).round().long()

    stuck = weights_under("weight-faults(bitwise=True, p=0.1, stuck_at_one=1.0)", layer)

    # Only stuck at 1: each bit of both arrays is set with the probability p where it was 0.
    result = (stuck.detach() / step).round().long()
    zeros = levels == 0
    plus_only = int((result[zeros] == 0).sum())
    # Equal bits of both arrays cancel: 7 bits, each with p^2 + (1 - p)^2.
    assert_share(plus_only, int(zeros.sum()), (0.1**2 + 0.9**2) ** 7)


def test_bitwise_gradient_is_cut_beyond_eight_steps() -> None:
    layer = convolution(16, 3, 64)
    step = power_of_two_step(layer.weight.detach(), 8)
    exact = on_power_of_two_grid(layer.weight.detach(), 8)

    stuck = weights_under("weight-faults(bitwise=True, p=0.1, stuck_at_one=0.16)", layer)
    stuck.sum().backward()  # type: ignore[no-untyped-call]

    moved = ((stuck.detach() - exact) / step).round().abs()
    assert layer.weight.grad is not None
    assert torch.equal(layer.weight.grad != 0, moved <= 8)
    assert (moved > 8).any()


@pytest.mark.parametrize("options", ["seed=3", "seed=3, bitwise=True"])
def test_chip_has_the_same_faults_in_every_pass(options: str) -> None:
    layer = convolution()

    first = weights_under(f"weight-faults({options})", layer, seed=0)
    second = weights_under(f"weight-faults({options})", layer, seed=1)
    other = weights_under(f"weight-faults({options.replace('3', '4')})", layer, seed=1)

    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("name", ["weight-faults", "feature-faults(p=0.01)"])
def test_faults_are_drawn_from_the_generator(name: str) -> None:
    layer = convolution()
    inputs = features(count=1)

    first, again, other = (output(name, layer, inputs, seed) for seed in (1, 1, 2))

    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("feature-faults(p=2.0)", "p"),
        ("feature-faults(mode='x')", "mode"),
        ("feature-faults(deviation=0.0)", "deviation"),
        ("feature-faults(tile=-1)", "tile"),
        ("feature-faults(adder_tree=4, mode='flip')", "adder_tree"),
        ("weight-faults(p=-0.1)", "p"),
        ("weight-faults(stuck_at_one=1.5)", "stuck_at_one"),
        ("weight-faults(seed=-2)", "seed"),
    ],
)
def test_wrong_options_are_refused(text: str, field: str) -> None:
    with pytest.raises(InvalidOption, match=rf"under \w+-faults: {field} must be"):
        Conditions.parse([f"{text}=1"])

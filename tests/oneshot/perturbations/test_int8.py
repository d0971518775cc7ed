"""Fake quantisation: closed forms, torch's own functions, gradients, and what it leaves behind."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from oneshot.errors import InvalidOption
from oneshot.perturbations import Conditions, Perturbation
from oneshot.perturbations.calibration import ActivationRanges
from oneshot.perturbations.layers import LAYERS
from oneshot.perturbations.registry import PERTURBATIONS
from oneshot.perturbations.rounding import (
    on_channel_grids,
    on_power_of_two_grid,
    on_range_grid,
    power_of_two_step,
)


def perturbation(text: str) -> Perturbation:
    made: Perturbation = PERTURBATIONS.make(text)
    return made


def output(disturbed: Perturbation, model: nn.Module, inputs: Tensor) -> Tensor:
    """The outputs of a model under a perturbation of its layers."""
    with disturbed.around(model, inputs, torch.sum, torch.Generator().manual_seed(0)) as changed:
        result: Tensor = model(changed)
    return result


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5)
    )


def images(count: int = 8) -> Tensor:
    return torch.randn(count, 3, 6, 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_weights_are_rounded_by_channel_as_torch_rounds_them(bits: int) -> None:
    weight = torch.randn(6, 3, 3, 3, generator=torch.Generator().manual_seed(2))
    limit = 2 ** (bits - 1) - 1

    rounded = on_channel_grids(weight, bits)

    steps = weight.abs().amax((1, 2, 3)) / limit
    expected = torch.fake_quantize_per_channel_affine(
        weight, steps, torch.zeros(6, dtype=torch.int32), 0, -limit, limit
    )
    torch.testing.assert_close(rounded, expected)
    assert (rounded - weight).abs().amax((1, 2, 3)).le(steps / 2 * 1.001).all()


def test_ranges_are_rounded_as_torch_rounds_them() -> None:
    values = torch.linspace(-3, 9, 1001)
    low, high = torch.tensor(-1.0), torch.tensor(4.0)
    step = 5 / 255

    rounded = on_range_grid(values, 8, (low, high))

    zero_point = round(1 / step)
    expected = torch.fake_quantize_per_tensor_affine(values, step, zero_point, 0, 255)
    torch.testing.assert_close(rounded, expected, atol=1e-5, rtol=0)
    assert on_range_grid(torch.zeros(1), 8, (low, high)).item() == 0


def test_power_of_two_grids_have_the_step_of_the_formula() -> None:
    values = torch.tensor([0.3, -5.0, 1.0])

    # ceil(log2 5) = 3, so that 8 bits have the step 2^(3 - 7).
    assert power_of_two_step(values, 8).item() == 2**-4
    assert on_power_of_two_grid(values, 8).tolist() == [0.3125, -5.0, 1.0]

    # A largest value that is a power of two itself is clipped to one step less.
    assert on_power_of_two_grid(torch.tensor([4.0, -4.0]), 4).tolist() == [3.5, -4.0]


def test_gradients_pass_within_the_range_only() -> None:
    values = torch.tensor([-9.0, 0.1, 0.2, 9.0], requires_grad=True)

    on_range_grid(values, 8, (torch.tensor(-1.0), torch.tensor(1.0))).sum().backward()  # type: ignore[no-untyped-call]

    assert values.grad is not None
    assert values.grad.tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("text", ["int8", "int8(bits=4)"])
def test_layer_computes_with_rounded_weights_and_calibrated_ranges(text: str) -> None:
    layer = nn.Linear(6, 3).eval()
    calibration = torch.randn(20, 6, generator=torch.Generator().manual_seed(3))
    inputs = 2 * torch.randn(7, 6, generator=torch.Generator().manual_seed(4))
    bits = 4 if "4" in text else 8

    calibrated = perturbation(text).calibrated(layer, [calibration[:9], calibration[9:]], layer)

    rounded = on_range_grid(inputs, bits, (calibration.min(), calibration.max()))
    expected = functional.linear(rounded, on_channel_grids(layer.weight, bits), layer.bias)
    exact = layer(calibration)
    expected = on_range_grid(expected, bits, (exact.min(), exact.max()))
    torch.testing.assert_close(output(calibrated, layer, inputs), expected)


class Residual(nn.Module):
    """A block with a shortcut, whose sum a rectifier reads, and another one that it does not."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
        self.rectifier = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        before = self.first(x)
        after = self.rectifier(before + self.second(before))
        result: Tensor = after + before
        return result


def test_outputs_that_a_runtime_fuses_are_not_rounded() -> None:
    model = Residual().eval()
    ranges = ActivationRanges.of_model(model, [images(), images(3)], model)

    assert sorted(ranges.inputs) == ["first.0", "second.0"]
    # A convolution, its normalisation and its rectifier are one operator; a shortcut reads the
    # output of another normalisation.
    assert sorted(ranges.outputs) == ["first.2", "rectifier", "second.1"]
    assert sorted(ranges.joins) == [1]


def test_sums_of_branches_are_rounded() -> None:
    model = Residual().eval()
    calibrated = perturbation("int8(bits=3)").calibrated(model, [images()], model)

    with torch.no_grad():
        result = output(calibrated, model, images())

    # Three bits have eight levels.
    assert len(torch.unique(result)) <= 8
    assert len(torch.unique(output(perturbation("int8(bits=3)"), model, images()))) > 8


def test_training_takes_the_ranges_of_each_batch() -> None:
    layer = nn.Linear(6, 3).train()
    inputs = torch.randn(7, 6, generator=torch.Generator().manual_seed(4))
    calibrated = perturbation("int8").calibrated(layer, [inputs / 10], layer)

    rounded = on_range_grid(inputs, 8)
    expected = functional.linear(rounded, on_channel_grids(layer.weight, 8), layer.bias)

    torch.testing.assert_close(output(calibrated, layer, inputs), expected)


def test_fewer_bits_are_further_from_the_network() -> None:
    model = network().eval()
    exact = model(images())

    errors = [
        (output(perturbation(f"int8(bits={bits})"), model, images()) - exact).abs().mean().item()
        for bits in (16, 8, 6, 4)
    ]

    assert errors == sorted(errors)
    assert errors[0] < 1e-3 * exact.abs().mean().item()
    # Each bit halves the step; from 8 to 4 bits that is 16 times.
    assert 8 < errors[3] / errors[1] < 32


@pytest.mark.parametrize("text", ["int8", "int8(scale='power-of-two')"])
def test_model_is_the_same_object_in_the_same_order_afterwards(text: str) -> None:
    model = network()
    before = {name: (id(value), value.clone()) for name, value in model.named_parameters()}
    kinds = [type(module) for module in model.modules()]

    loss = output(perturbation(text), model, images()).sum()
    loss.backward()  # type: ignore[no-untyped-call]

    assert [type(module) for module in model.modules()] == kinds
    after = {name: (id(value), value) for name, value in model.named_parameters()}
    assert list(after) == list(before)
    for name, (identity, value) in before.items():
        assert after[name][0] == identity
        assert torch.equal(after[name][1], value)
    assert all(value.grad is not None for value in model.parameters())
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_parametrisation_of_the_user_stays() -> None:
    layer = parametrizations.weight_norm(nn.Linear(4, 2))
    inputs = torch.randn(3, 4)
    expected = functional.linear(
        on_range_grid(inputs, 8),
        on_channel_grids(layer.weight, 8),
        layer.bias,
    )

    result = output(perturbation("int8"), layer, inputs)

    torch.testing.assert_close(result, expected)
    assert len(layer.parametrizations["weight"]) == 1


class Functional(nn.Module):
    """A block that reads its layer's weights without calling the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.inner.weight[:2])


def test_weights_that_a_block_reads_itself_are_rounded() -> None:
    block = Functional()
    inputs = torch.randn(3, 4)

    result = output(perturbation("int8(bits=2)"), block, inputs)

    torch.testing.assert_close(
        result, functional.linear(inputs, on_channel_grids(block.inner.weight, 2)[:2])
    )


def test_layers_that_do_not_run_keep_their_weights() -> None:
    model = nn.ModuleList([network(), network()])
    layers = [layer for layer in model.modules() if isinstance(layer, LAYERS)]

    with perturbation("int8").around(model, images(), torch.sum, torch.Generator()) as inputs:
        model[1](inputs)
        changed = [layer for layer in layers if not isinstance(layer.weight, nn.Parameter)]

    assert changed == [model[1][0], model[1][4]]  # type: ignore[index]
    assert all(isinstance(layer.weight, nn.Parameter) for layer in layers)


@pytest.mark.parametrize("text", ["int8(bits=1)", "int8(bits=17)", "int8(scale='three')"])
def test_wrong_options_are_refused(text: str) -> None:
    with pytest.raises(InvalidOption, match=r"under int8: (bits|scale) must be"):
        Conditions.parse([f"{text}=1"])


def test_network_without_layers_is_refused() -> None:
    with (
        pytest.raises(InvalidOption, match="no convolution or linear layer"),
        perturbation("int8").around(nn.ReLU(), images(), torch.sum, torch.Generator()),
    ):
        pass

"""Attacks: closed forms of linear models, bounds, and what they leave untouched."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from oneshot.data.images import ImageData, ImageSplit
from oneshot.data.preprocessing import Preprocessing
from oneshot.errors import InvalidOption, InvalidRun
from oneshot.perturbations import Conditions, Perturbation
from oneshot.perturbations.pixel_scale import PixelScale, check_images
from oneshot.perturbations.registry import PERTURBATIONS
from oneshot.run import Run, write_settings
from oneshot.run_settings import RunSettings
from spaces import ChainSpace

MEAN = (0.4, 0.5, 0.6)
DEVIATION = (0.2, 0.25, 0.3)
EPSILON = 8 / 255


def data(pixels: Tensor, kind: str = "standard") -> ImageData:
    """A data set of pixels [n, 3, h, w] from 0 to 1, normalised."""
    preprocessing = Preprocessing.from_kind(kind, (3, *pixels.shape[2:]), (MEAN, DEVIATION))
    split = ImageSplit.from_tensors(
        preprocessing.normalised(255 * pixels), torch.zeros(len(pixels), dtype=torch.int64)
    )
    return ImageData("made-up", split, split, split, 2, 0, preprocessing=preprocessing)


def pixels_of(count: int = 4, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed))


def attacked(text: str, model: nn.Module, images: ImageData, seed: int = 0) -> Tensor:
    """The attacked images, in pixels, where all targets are the class 0."""
    perturbation: Perturbation = PERTURBATIONS.make(text).for_data(images)
    inputs, targets = images.train.tensors()
    generator = torch.Generator().manual_seed(seed)

    def loss_at(changed: Tensor, other: nn.Module | None = None) -> Tensor:
        return functional.cross_entropy((other or model)(changed), targets)

    with perturbation.around(model, inputs, loss_at, generator) as changed:
        result: Tensor = scale(images).to_pixels(changed)
    return result


def scale(images: ImageData) -> PixelScale:
    return PixelScale.from_data(images, "pgd")


def linear(seed: int = 1) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 2))


@pytest.mark.parametrize("kind", ["standard", "spos"])
# 10 steps of 2/255 cross the whole ball from any start.
@pytest.mark.parametrize("text", ["fgsm", "pgd(steps=10)"])
def test_linear_model_is_attacked_by_the_sign_of_its_weights(text: str, kind: str) -> None:
    model = linear()
    pixels = pixels_of()
    if kind == "spos":
        # Its inputs are up to 255, for which the softmax would be 1 and its gradient 0.
        nn.init.uniform_(model[1].weight, -1e-3, 1e-3)  # type: ignore[index]

    result = attacked(text, model, data(pixels, kind))

    # The loss of class 0 grows with the difference of the logits, whose gradient is constant.
    weight = model[1].weight  # type: ignore[index]
    direction = (weight[1] - weight[0]).sign().view(3, 4, 4)
    if kind == "spos":
        # Networks of SPOS read blue, green, red.
        pixels = pixels.flip(1)
    expected = (pixels + EPSILON * direction).clamp(0, 1)
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=0)


@given(seed=st.integers(0, 10**6), epsilon=st.floats(0.001, 0.5), steps=st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_attacks_stay_within_epsilon_and_valid_pixels(
    seed: int, epsilon: float, steps: int
) -> None:
    pixels = pixels_of(seed=seed).round(decimals=1)
    text = f"pgd(epsilon={epsilon}, step={epsilon / 2}, steps={steps})"

    result = attacked(text, linear(seed % 7), data(pixels), seed)

    assert (result - pixels).abs().max() <= epsilon + 1e-5
    assert result.min() >= -1e-5
    assert result.max() <= 1 + 1e-5
    assert not torch.equal(result, pixels)


def test_attack_raises_the_loss_and_more_steps_raise_it_more() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(128, 2))
    images = data(pixels_of(64))
    inputs, targets = images.train.tensors()

    losses = [functional.cross_entropy(model(inputs), targets).item()]
    for text in ("pgd(steps=1)", "pgd(steps=7)"):
        changed = scale(images).from_pixels(attacked(text, model, images))
        losses.append(functional.cross_entropy(model(changed), targets).item())

    assert losses[0] < losses[1] < losses[2]


@pytest.mark.parametrize("text", ["pgd", "fgsm"])
def test_weights_gradients_and_statistics_are_untouched(text: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))
    model.train()
    state = {name: value.clone() for name, value in model.state_dict().items()}

    with torch.no_grad():
        attacked(text, model, data(pixels_of(8)))

    assert all(value.grad is None for value in model.parameters())
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_random_start_depends_on_the_generator_alone() -> None:
    images = data(pixels_of())
    model = linear()

    first, again, other = (attacked("pgd(steps=1)", model, images, seed) for seed in (1, 1, 2))

    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_scale_without_preprocessing_is_that_of_the_darkest_and_lightest_pixel() -> None:
    images = ImageSplit.from_tensors(
        torch.tensor([[[[-1.0, 3.0]]], [[[0.0, 1.0]]]]), torch.zeros(2, dtype=torch.int64)
    )
    scaled = PixelScale.from_data(ImageData("made-up", images, images, images, 2, 0), "pgd")

    assert scaled.to_pixels(images.images).flatten().tolist() == [0, 1, 0.25, 0.5]
    back = scaled.from_pixels(scaled.to_pixels(images.images))
    torch.testing.assert_close(back, images.images)


@pytest.mark.parametrize(
    "text", ["pgd(epsilon=0)", "pgd(epsilon=2)", "pgd(step=-1)", "pgd(steps=0)", "fgsm(epsilon=9)"]
)
def test_wrong_options_are_refused(text: str) -> None:
    with pytest.raises(InvalidOption, match=r"under (pgd|fgsm): \w+ must be"):
        Conditions.parse([f"{text}=1"])


@pytest.mark.parametrize(
    "inputs", [torch.zeros(2, 5), torch.zeros(2, 3, 4, 4, dtype=torch.int64), (torch.zeros(2),)]
)
def test_inputs_that_are_no_images_are_refused(inputs: Any) -> None:
    with pytest.raises(InvalidOption, match="under pgd: images"):
        check_images(inputs, "pgd")


def test_network_without_gradients_is_refused() -> None:
    class Frozen(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.detach().flatten(1)[:, :2]

    with pytest.raises(InvalidOption, match="under fgsm: needs the gradients"):
        attacked("fgsm", Frozen(), data(pixels_of()))


@pytest.fixture
def source(small: ChainSpace, tmp_path: Path) -> Run:
    """A network with weights at random."""
    settings = {
        "kind": "network",
        "space": small.name,
        "data": {"name": "digits", "split_seed": 0, "num_classes": 2},
        "seed": 5,
        "architecture": small.architecture([0, 1, 2]).to_dict(),
    }
    run = Run(tmp_path / "source", RunSettings.from_dict(settings))
    write_settings(run.folder, run.settings)
    run.save(run.build())
    return run


def images_of_16() -> ImageData:
    return data(torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)))


def test_transferred_attack_is_that_on_the_source(source: Run) -> None:
    torch.manual_seed(8)
    other = nn.Sequential(nn.Flatten(), nn.Linear(768, 2))
    images = images_of_16()

    transferred = attacked(f"pgd(source={str(source.folder)!r})", other, images)

    assert torch.equal(transferred, attacked("pgd", source.load(), images))
    assert not torch.equal(transferred, attacked("pgd", other, images))
    assert all(value.grad is None for value in other.parameters())


def test_source_for_other_images_is_refused(source: Run) -> None:
    with pytest.raises(InvalidOption, match=r"under pgd: source .* \(3, 16, 16\) and 2 classes"):
        attacked(f"pgd(source={str(source.folder)!r})", linear(), data(pixels_of()))


def test_source_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRun, match="holds no run"):
        attacked(f"pgd(source={str(tmp_path)!r})", linear(), data(pixels_of()))

"""Corruptions: closed forms on constant images, other libraries, severities and seeds."""

import colorsys
import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor, nn

from oneshot.data.images import ImageData, ImageSplit
from oneshot.data.preprocessing import Preprocessing
from oneshot.errors import InvalidOption
from oneshot.perturbations import Conditions
from oneshot.perturbations.corruptions import CORRUPTIONS, corrupted
from oneshot.perturbations.jpeg import compressed
from oneshot.perturbations.registry import PERTURBATIONS

SIDE = 32
COUNT = 20
VALUES = COUNT * 3 * SIDE * SIDE


def constant(value: float) -> Tensor:
    return torch.full((COUNT, 3, SIDE, SIDE), value)


def smooth(count: int = 4, side: int = 40) -> Tensor:
    """Images [n, 3, side, side] of large random patches, from 0 to 1."""
    patches = torch.rand(count, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    images = nn.functional.interpolate(patches, (side, side), mode="bilinear")
    return (images * 255).round() / 255


def corrupt(name: str, pixels: Tensor, severity: int, seed: int = 0) -> Tensor:
    """The pixels after one corruption."""
    kinds = torch.zeros(len(pixels), dtype=torch.int64)
    generator = torch.Generator().manual_seed(seed)
    return corrupted(pixels, kinds, torch.full_like(kinds, severity), (name,), generator)


@pytest.mark.parametrize("severity", range(1, 6))
def test_gaussian_noise_has_its_deviation(severity: int) -> None:
    noise = corrupt("gaussian_noise", constant(0.5), severity) - 0.5
    deviation = (0.04, 0.06, 0.08, 0.09, 0.10)[severity - 1]

    # Deviations of the mean and of the standard deviation of normal numbers, four of them.
    assert abs(noise.mean().item()) < 4 * deviation / math.sqrt(VALUES)
    assert abs(noise.std().item() - deviation) < 4 * deviation / math.sqrt(2 * VALUES)


@pytest.mark.parametrize("severity", [1, 5])
def test_shot_noise_has_the_variance_of_poisson(severity: int) -> None:
    photons = (500, 50)[severity // 5]
    values = corrupt("shot_noise", constant(0.25), severity)

    variance = 0.25 / photons
    assert abs(values.mean().item() - 0.25) < 4 * math.sqrt(variance / VALUES)
    assert values.var().item() == pytest.approx(variance, rel=0.05)
    # Counts of photons are integers.
    assert (values * photons - (values * photons).round()).abs().max() < 1e-3


@pytest.mark.parametrize("severity", range(1, 6))
def test_impulse_noise_replaces_its_share_by_as_much_black_as_white(severity: int) -> None:
    amount = (0.01, 0.02, 0.03, 0.05, 0.07)[severity - 1]
    values = corrupt("impulse_noise", constant(0.5), severity)

    for extreme in (0, 1):
        share = (values == extreme).double().mean().item()
        error = math.sqrt(amount / 2 * (1 - amount / 2) / VALUES)
        assert abs(share - amount / 2) < 4 * error
    assert set(torch.unique(values).tolist()) == {0.0, 0.5, 1.0}


@pytest.mark.parametrize("severity", range(1, 6))
@pytest.mark.parametrize("name", ["gaussian_blur", "contrast"])
def test_constant_images_have_neither_edges_nor_contrast(name: str, severity: int) -> None:
    torch.testing.assert_close(corrupt(name, constant(0.3), severity), constant(0.3))


@pytest.mark.parametrize("side", [SIDE, 80])
def test_blur_is_that_of_scipy(side: int) -> None:
    pixels = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(1))

    blurred = corrupt("gaussian_blur", pixels, 5)

    # Large images have the constants of ImageNet-C.
    sigma = 1 if side == SIDE else 6
    expected = ndimage.gaussian_filter(
        pixels.double().numpy(), (0, 0, sigma, sigma), mode="nearest", truncate=4
    )
    np.testing.assert_allclose(blurred.numpy(), expected, atol=1e-5)


def test_contrast_scales_the_distance_from_the_mean() -> None:
    pixels = torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    mean = pixels.mean((2, 3), keepdim=True)

    torch.testing.assert_close(corrupt("contrast", pixels, 2), 0.5 * (pixels + mean))


@pytest.mark.parametrize("severity", range(1, 6))
def test_brightness_is_the_value_of_hsv(severity: int) -> None:
    amount = (0.05, 0.1, 0.15, 0.2, 0.3)[severity - 1]
    generator = torch.Generator().manual_seed(1)
    pixels = torch.rand(1, 3, 8, 8, generator=generator)
    pixels[0, :, 0, 0] = 0

    result = corrupt("brightness", pixels, severity)

    for row in range(8):
        for column in range(8):
            hue, saturation, value = colorsys.rgb_to_hsv(*pixels[0, :, row, column].tolist())
            expected = colorsys.hsv_to_rgb(hue, saturation, min(1.0, value + amount))
            assert result[0, :, row, column].tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("level", [0, 77, 128, 255])
@pytest.mark.parametrize("quality", [7, 60, 80])
def test_jpeg_of_a_constant_image_rounds_its_mean(level: int, quality: int) -> None:
    images = torch.full((1, 1, 16, 16), level / 255)

    result = compressed(images, torch.tensor([float(quality)])) * 255

    # The first coefficient is 8 (level - 128), and its step at the quality 50 is 16.
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    step = (16 * percent + 50) // 100
    expected = 128 + round(8 * (level - 128) / step) * step / 8
    assert torch.unique(result).tolist() == pytest.approx([min(255, max(0, round(expected)))])


@pytest.mark.parametrize("quality", [80, 40, 25, 7])
def test_jpeg_is_that_of_pillow(quality: int) -> None:
    images = smooth()

    result = compressed(images, torch.full((len(images),), float(quality))) * 255

    for image, pixels in zip(images, result, strict=True):
        file = io.BytesIO()
        rows = (image * 255).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(rows).save(file, "JPEG", quality=quality)
        decoded = np.asarray(Image.open(file)).astype(float)
        error = np.abs(pixels.permute(1, 2, 0).numpy() - decoded)
        lost = np.abs(rows - decoded).mean()
        # libjpeg computes in integers, so that a coefficient between two steps may differ: far less
        # than the compression changes.
        assert error.mean() < 0.25 * lost + 0.3
        assert (error <= 3).mean() > 0.85


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_higher_severities_change_more(name: str) -> None:
    pixels = 0.2 + 0.4 * torch.rand(40, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3))

    changes = [(corrupt(name, pixels, level) - pixels).abs().mean().item() for level in range(1, 6)]

    assert changes == sorted(changes)
    assert changes[0] > 0


def images(bgr: bool = False) -> ImageData:
    preprocessing = Preprocessing.from_kind("spos" if bgr else "standard", (3, 40, 40))
    split = ImageSplit.from_tensors(
        preprocessing.normalised(255 * smooth(12)), torch.zeros(12, dtype=torch.int64)
    )
    return ImageData("made-up", split, split, split, 2, 0, preprocessing=preprocessing)


def inputs_under(text: str, data: ImageData, seed: int = 0) -> Tensor:
    """The normalised images under a condition."""
    perturbation = PERTURBATIONS.make(text).for_data(data)
    generator = torch.Generator().manual_seed(seed)
    inputs, _ = data.train.tensors()
    with perturbation.around(nn.Identity(), inputs, torch.sum, generator) as changed:
        result: Tensor = changed
    return result


@pytest.mark.parametrize("bgr", [False, True])
def test_normalised_images_are_corrupted_as_their_pixels(bgr: bool) -> None:
    data = images(bgr)
    assert data.preprocessing is not None

    result = inputs_under("corrupt(kind='jpeg', severity=4)", data)

    expected = corrupt("jpeg", smooth(12), 4)
    rgb = data.preprocessing.normalised(255 * expected)
    torch.testing.assert_close(result, rgb, atol=0.01 if not bgr else 0.5, rtol=0.01)


def test_draws_depend_on_the_seed_alone() -> None:
    data = images()

    first, again, other = (inputs_under("corrupt", data, seed) for seed in (1, 1, 2))

    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_all_kinds_and_severities_are_drawn() -> None:
    kinds = set()
    pixels = smooth(12)
    for seed in range(20):
        changed = inputs_under("corrupt", images(), seed)
        mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
        deviation = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
        for before, after in zip(pixels, changed * deviation + mean, strict=True):
            for name in ("contrast", "brightness"):
                kinds |= {
                    (name, severity)
                    for severity in range(1, 6)
                    if torch.allclose(corrupt(name, before[None], severity)[0], after, atol=1e-4)
                }

    assert len(kinds) == 10


@pytest.mark.parametrize(
    ("text", "field"), [("corrupt(kind='fog')", "kind"), ("corrupt(severity=6)", "severity")]
)
def test_wrong_options_are_refused(text: str, field: str) -> None:
    with pytest.raises(InvalidOption, match=f"under corrupt: {field} must be"):
        Conditions.parse([f"{text}=1"])

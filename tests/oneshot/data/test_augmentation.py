"""Augmentation: crops inside the image, shifts, mirrors, colours and squares as drawn."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from oneshot.data.augmentation import (
    ATTEMPTS,
    CROPS,
    CUTOUT,
    FLIP,
    NUMBERS,
    POSITION,
    Augmentation,
    cut_out,
    jitter,
    shift_and_flip,
)
from oneshot.errors import InvalidOption


def drawn(count: int, seed: int = 0) -> np.ndarray:
    """Numbers of so many images."""
    return np.random.default_rng(seed).random((count, NUMBERS), dtype=np.float32)


def tried_until_it_fits(rng: np.random.Generator) -> float:
    """Share of the area of a random resized crop of a square image, drawn attempt by attempt."""
    for _ in range(10):
        area, ratio = rng.uniform(0.08, 1), np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
        if max(np.sqrt(area * ratio), np.sqrt(area / ratio)) <= 1:
            return float(area)
    return 1.0


@given(width=st.integers(1, 900), height=st.integers(1, 900), seed=st.integers(0, 999))
def test_crops_lie_inside_and_have_the_drawn_area_and_ratio(
    width: int, height: int, seed: int
) -> None:
    numbers = drawn(1, seed)[0]
    left, top, right, bottom = Augmentation().crop(width, height, numbers)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    across, down = right - left, bottom - top
    if min(across, down) >= 20:
        assert 3 / 4 - 0.1 <= across / down <= 4 / 3 + 0.1
        assert across * down >= 0.08 * width * height * 0.9 or not 1 / 3 < width / height < 3


def test_crops_are_spread_over_areas_ratios_and_places() -> None:
    boxes = np.array([Augmentation().crop(400, 400, numbers) for numbers in drawn(4000)])
    across, down = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    areas, ratios = across * down / 160_000, np.log(across / down)
    assert areas.min() == pytest.approx(0.08, abs=0.01)
    assert areas.max() > 0.97
    rng = np.random.default_rng(1)
    expected = [tried_until_it_fits(rng) for _ in range(4000)]
    assert np.mean(areas < 0.3) == pytest.approx(np.mean(np.array(expected) < 0.3), abs=0.03)
    assert areas.mean() == pytest.approx(np.mean(expected), abs=0.02)
    assert np.mean(ratios) == pytest.approx(0, abs=0.01)
    assert np.abs(ratios).max() <= np.log(4 / 3) + 0.02
    small = areas < 0.3
    assert np.mean(boxes[small, 0] / (400 - across[small])) == pytest.approx(0.5, abs=0.03)


def test_an_image_that_no_attempt_fits_gives_its_centre() -> None:
    numbers = np.zeros(NUMBERS, np.float32)
    numbers[CROPS : CROPS + 2 * ATTEMPTS : 2] = 1  # all of the area, at a ratio of 3 to 4
    assert Augmentation().crop(900, 100, numbers) == (383, 0, 516, 100)
    assert Augmentation().crop(100, 900, numbers) == (0, 383, 100, 516)
    whole = Augmentation(area=(1.0, 1.0))
    numbers[CROPS + 1 :: 2] = 0.5  # square
    assert whole.crop(64, 64, numbers) == (0, 0, 64, 64)


def test_shift_and_flip_equal_pad_crop_and_mirror_one_by_one() -> None:
    images = torch.randint(
        1, 256, (32, 3, 9, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    numbers, how = drawn(32), Augmentation(padding=2)
    found = shift_and_flip(images, numbers, how)
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2))
    for image, source, number in zip(found, padded, numbers, strict=True):
        left, top = (int(share * 5) for share in number[POSITION])
        expected = source[:, top : top + 9, left : left + 7]
        assert torch.equal(image, expected.flip(2) if number[FLIP] < 0.5 else expected)
    assert torch.equal(shift_and_flip(images, numbers, Augmentation(flip=0)), images)
    assert torch.equal(shift_and_flip(images, numbers, Augmentation(flip=1)), images.flip(3))


@pytest.mark.parametrize(
    ("place", "enhance"), [(0, ImageEnhance.Brightness), (2, ImageEnhance.Color)]
)
def test_colours_change_as_pillow_changes_them(
    place: int, enhance: type[ImageEnhance._Enhance]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    for factor in (0.6, 1.0, 1.4):
        factors = torch.ones(1, 3)
        factors[0, place] = factor
        found = jitter(torch.from_numpy(pixels).permute(2, 0, 1)[None], factors)[0].permute(1, 2, 0)
        expected = np.asarray(enhance(Image.fromarray(pixels)).enhance(factor)).astype(np.float32)
        assert np.abs(found.numpy().astype(np.float32) - expected).max() < 1.5


def test_contrast_is_about_128_and_results_are_clipped() -> None:
    images = torch.tensor([0, 64, 128, 255], dtype=torch.uint8).expand(1, 3, 1, 4)
    found = jitter(images, torch.tensor([[1.0, 1.5, 1.0]]))
    assert found[0, 0, 0].tolist() == [0, 32, 128, 255]
    assert torch.equal(jitter(images, torch.ones(1, 3)), images)


def test_factors_and_flips_cover_their_ranges() -> None:
    numbers = drawn(2000)
    factors = Augmentation(jitter=0.4).factors(numbers)
    assert factors.min() == pytest.approx(0.6, abs=0.01)
    assert factors.max() == pytest.approx(1.4, abs=0.01)
    assert Augmentation(flip=0.25).flips(numbers).mean() == pytest.approx(0.25, abs=0.03)


def test_cutout_is_one_square_that_may_reach_beyond_the_edge() -> None:
    numbers = drawn(200)
    numbers[0, CUTOUT] = 0
    found = cut_out(torch.ones(200, 3, 16, 16), numbers, 6)
    holes = (found == 0).all(1).sum((1, 2))
    assert holes[0] == 9
    assert holes.max() == 36
    assert holes.min() >= 9
    assert ((found == 0).any(1) == (found == 0).all(1)).all()


@pytest.mark.parametrize(
    "wrong",
    [{"flip": 1.5}, {"jitter": -0.1}, {"area": (0.5, 0.2)}, {"padding": -1}, {"cutout": -2}],
)
def test_what_is_no_augmentation_is_named(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidOption, match=next(iter(wrong))):
        Augmentation(**wrong)  # type: ignore[arg-type]

"""The digits and their fixed splits."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from oneshot.data.errors import InvalidData
from oneshot.data.images import ImageData, ImageSplit
from oneshot.data.registry import load
from oneshot.errors import InvalidOption

SHAPE = (3, 8, 8)


def rows(data: ImageData) -> dict[str, list[bytes]]:
    """Each part's images, as bytes of the scan's own 8 x 8 pixels."""
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    return {
        name: [image[0].contiguous().numpy().tobytes() for image in part.tensors()[0]]
        for name, part in parts.items()
    }


def test_sizes_and_shapes() -> None:
    data = load("digits", (3, 12, 16))
    assert (len(data.train), len(data.validation), len(data.test)) == (1000, 397, 400)
    assert (data.name, data.num_classes, data.split_seed) == ("digits", 10, 0)
    for part in (data.train, data.validation, data.test):
        assert isinstance(part, ImageSplit)
        assert part.images.shape == (len(part), 3, 12, 16)
        assert part.images.dtype == torch.float32
        assert part.images.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(part.images[:, 0], part.images[:, 2])


@pytest.mark.parametrize("seed", [0, 1])
def test_parts_are_the_scans_and_share_none(seed: int) -> None:
    data = load("digits", SHAPE, seed)
    pixels, labels = load_digits(return_X_y=True)
    found = torch.cat(
        [part.tensors()[0][:, 0] for part in (data.train, data.validation, data.test)]
    ).reshape(1797, 64)
    found_labels = torch.cat([part.labels for part in (data.train, data.validation, data.test)])
    # Normalised by one mean and deviation; undone, every scan is there exactly once with its label.
    low, high = found.min(), found.max()
    scans = ((found - low) / (high - low) * 16).round().to(torch.uint8).numpy()
    given = sorted(
        (row.tobytes(), label)
        for row, label in zip(pixels.astype(np.uint8), labels.tolist(), strict=True)
    )
    assert (
        sorted(
            (row.tobytes(), label) for row, label in zip(scans, found_labels.tolist(), strict=True)
        )
        == given
    )
    assert len({row for row, _ in given}) == 1797  # so that none can be in two parts unseen


def test_normalised_by_the_training_part_alone() -> None:
    data = load("digits", SHAPE)
    assert data.train.tensors()[0].mean().item() == pytest.approx(0, abs=1e-5)
    assert data.train.tensors()[0].std().item() == pytest.approx(1, abs=1e-3)
    assert data.test.tensors()[0].mean().item() != pytest.approx(0, abs=1e-5)


def test_parts_are_stratified() -> None:
    data = load("digits", SHAPE)
    whole = np.bincount(load_digits().target) / 1797
    for part in (data.train, data.validation, data.test):
        shares = np.bincount(part.labels.numpy(), minlength=10) / len(part)
        assert np.abs(shares - whole).max() < 0.003


def test_the_seed_gives_the_parts() -> None:
    first, again, other = (
        rows(load("digits", SHAPE)),
        rows(load("digits", SHAPE)),
        rows(load("digits", SHAPE, 1)),
    )
    assert first == again
    for name in ("train", "validation", "test"):
        assert first[name] != other[name]
    assert not set(first["test"]) & set(first["train"] + first["validation"])


def test_augmentation_shifts_and_mirrors_nothing() -> None:
    data = load("digits", (3, 16, 16))
    augmentation = data.train.augmentation
    assert (augmentation.flip, augmentation.padding) == (0, 2)
    plain = data.train.tensors()[0]
    images, _ = next(iter(data.train.epochs(1000, 0, augment=True)))
    # What is shifted in is black, the scans' own background.
    assert images.min() == plain.min()
    assert (images == plain.min()).sum() > (plain == plain.min()).sum()
    assert not torch.equal(
        images[:, 0].sum((1, 2)).sort().values, plain[:, 0].sum((1, 2)).sort().values
    )
    with pytest.raises(
        InvalidOption, match="digits support only the preprocessing standard, not 'spos'"
    ):
        load("digits", SHAPE, preprocessing="spos")


def test_size_of_the_validation_part_and_limit() -> None:
    data = load("digits", SHAPE, validation=200, limit=150)
    assert (len(data.train), len(data.validation), len(data.test)) == (150, 150, 150)
    assert len(load("digits", SHAPE, validation=200).train) == 1197
    with pytest.raises(
        InvalidData, match="a validation part of 1397 images cannot be split from 1397"
    ):
        load("digits", SHAPE, validation=1397)

"""The generated scenes, and batches of scenes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from oneshot.data import load
from oneshot.data.images import ImageData
from oneshot.data.padded import Padded
from oneshot.data.registry import reload
from oneshot.data.scenes.shapes import draw
from oneshot.data.scenes.views import SCENES
from oneshot.errors import InvalidOption

SHAPE = (3, 32, 48)


@pytest.fixture(params=["shapes", "shape-masks"])
def scenes(request: pytest.FixtureRequest) -> ImageData:
    """Both sets of generated scenes, with few images."""
    return load(request.param, SHAPE, limit=24)


def rows_of(targets: Padded | torch.Tensor) -> list[torch.Tensor]:
    return targets.rows() if isinstance(targets, Padded) else list(targets)


def test_boxes_and_masks_agree() -> None:
    for seed in range(30):
        boxed = draw(40, 50, np.random.default_rng(seed), masks=False)
        masked = draw(40, 50, np.random.default_rng(seed), masks=True)
        assert boxed.boxes is not None
        assert masked.mask is not None

        assert boxed.image.tobytes() == masked.image.tobytes()
        covered = np.zeros((40, 50), bool)
        for left, top, right, bottom in boxed.boxes[:, :4].astype(int):
            covered[top:bottom, left:right] = True
        assert not (masked.mask[~covered]).any()
        classes = set(np.unique(masked.mask)) - {0}
        assert classes <= {int(number) + 1 for number in boxed.boxes[:, 4]}


def test_batches_are_the_same_at_any_size(scenes: ImageData) -> None:
    images, targets = scenes.test.tensors()
    batches = list(scenes.test.batches(7))

    assert images.shape == (24, *SHAPE)
    torch.testing.assert_close(torch.cat([batch for batch, _ in batches]), images)
    rows = [row for _, batch in batches for row in rows_of(batch)]
    for first, second in zip(rows, rows_of(targets), strict=True):
        assert torch.equal(first, second)
    # Sliced like any other targets.
    assert len(scenes.test.labels[torch.tensor([3, 1])]) == 2


def test_two_ranks_see_the_batches_of_one(scenes: ImageData) -> None:
    whole = scenes.train.epochs(8, 5, augment=True)
    halves = [scenes.train.epochs(4, 5, augment=True, rank=rank, ranks=2) for rank in (0, 1)]
    for loader in (whole, *halves):
        loader.set_epoch(1)

    for (images, targets), *parts in zip(whole, *halves, strict=True):
        torch.testing.assert_close(torch.cat([batch for batch, _ in parts]), images)
        rows = [row for _, batch in parts for row in rows_of(batch)]
        for first, second in zip(rows, rows_of(targets), strict=True):
            assert torch.equal(first, second)


def test_epoch_that_starts_late_is_the_same(scenes: ImageData) -> None:
    loader = scenes.train.epochs(8, 0, augment=True)
    batches = [images for images, _ in loader]
    loader.start_at(2)
    torch.testing.assert_close(next(iter(loader))[0], batches[2])


def test_mosaics_have_targets_of_four_images(scenes: ImageData) -> None:
    changes = replace(SCENES, mosaic=1.0)
    images, targets = next(iter(scenes.train.epochs(16, 0, augment=changes)))
    single, fewer = next(iter(scenes.train.epochs(16, 0, augment=replace(changes, mosaic=0.0))))

    assert images.shape == single.shape
    assert not torch.equal(images, single)
    if isinstance(targets, torch.Tensor):
        assert targets.shape == fewer.shape
    else:
        assert targets.lengths.sum() > 1.5 * fewer.lengths.sum()
        boxes = torch.cat(targets.rows())
        assert (boxes[:, 2:4] > boxes[:, :2]).all()
        assert (boxes[:, :4] >= 0).all()
        assert (boxes[:, 2] <= SHAPE[2]).all()
        assert (boxes[:, 3] <= SHAPE[1]).all()


def test_record_finds_the_set_again(scenes: ImageData) -> None:
    again = reload(scenes.record(), SHAPE)
    other = load(scenes.name, SHAPE, 1, limit=24)

    assert again.digest == scenes.digest != other.digest
    assert (len(again.train), len(again.validation), len(again.test)) == (24, 24, 24)


def test_small_inputs_and_paths_are_refused(tmp_path: object) -> None:
    with pytest.raises(InvalidOption, match="input_size"):
        load("shapes", (3, 8, 8))
    with pytest.raises(InvalidOption, match="leave out the path"):
        load(f"shapes:{tmp_path}", SHAPE)

"""Orders of images: by seed, epoch and step alone, shared by ranks, begun anywhere."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oneshot.data.augmentation import NUMBERS, Augmentation
from oneshot.data.epoch_order import EpochOrder, in_order
from oneshot.data.images import ImageSplit
from oneshot.data.pixels import PixelSplit
from oneshot.data.preprocessing import Preprocessing
from oneshot.errors import InvalidOption


def numbered(count: int) -> ImageSplit:
    """Images that hold their own index."""
    return ImageSplit.from_tensors(
        torch.arange(count).float().reshape(-1, 1, 1, 1).expand(-1, 3, 8, 8), torch.arange(count)
    )


def pixels(count: int) -> PixelSplit:
    """Noise, to be shifted, flipped and coloured."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (count, 3, 8, 8), dtype=torch.uint8, generator=generator)
    how = Augmentation(padding=2, jitter=0.4, cutout=3)
    return PixelSplit(
        noise, torch.arange(count) % 5, Preprocessing.from_kind("standard", (3, 8, 8)), how
    )


def seen(loader: object) -> list[list[int]]:
    """The labels of each batch of a pass."""
    return [labels.tolist() for _, labels in loader]  # type: ignore[attr-defined]


def test_order_is_one_of_seed_and_epoch() -> None:
    split = numbered(23)
    loader = split.epochs(5, 0)
    first = seen(loader)
    assert [len(batch) for batch in first] == [5] * 4 == [5] * len(loader)
    assert len(set(itertools.chain(*first))) == 20
    assert first == seen(loader) == seen(split.epochs(5, 0))
    loader.set_epoch(1)
    assert seen(loader) != first
    assert seen(split.epochs(5, 1)) != first
    assert seen(numbered(3).epochs(64, 0)) in [
        [list(order)] for order in itertools.permutations(range(3))
    ]
    for images, labels in split.epochs(5, 0):
        assert torch.equal(images[:, 0, 0, 0].long(), labels)
        assert images.is_contiguous(memory_format=torch.channels_last)


@given(
    count=st.integers(1, 200),
    batch=st.integers(1, 40),
    ranks=st.integers(1, 5),
    seed=st.integers(0, 9),
    epoch=st.integers(0, 3),
)
def test_ranks_share_the_batches_of_one_process(
    count: int, batch: int, ranks: int, seed: int, epoch: int
) -> None:
    if count < ranks:
        with pytest.raises(InvalidOption, match=f"{ranks} ranks cannot share {count} images"):
            EpochOrder(count, batch, seed, 0, ranks)
        return
    orders = [EpochOrder(count, batch, seed, rank, ranks) for rank in range(ranks)]
    assert len({order.steps for order in orders}) == 1
    alone = EpochOrder(count, orders[0].batch * ranks, seed)
    assert alone.steps == orders[0].steps >= 1
    for step in range(alone.steps):
        tasks = [order.task(epoch, step, augment=True) for order in orders]
        whole = alone.task(epoch, step, augment=True)
        assert np.array_equal(np.concatenate([task.indices for task in tasks]), whole.indices)
        assert np.array_equal(
            np.concatenate([task.numbers for task in tasks if task.numbers is not None]),
            whole.numbers,
        )  # type: ignore[arg-type]
    taken = [
        int(index)
        for step in range(alone.steps)
        for index in alone.task(epoch, step, False).indices
    ]
    assert len(taken) == len(set(taken)) > count - alone.batch


def test_two_ranks_see_what_one_process_sees_augmented() -> None:
    split = pixels(40)
    alone = list(split.epochs(16, 3, augment=True))
    ranks = [list(split.epochs(8, 3, augment=True, rank=rank, ranks=2)) for rank in (0, 1)]
    assert len(alone) == len(ranks[0]) == len(ranks[1]) == 2
    for whole, left, right in zip(alone, *ranks, strict=True):
        assert torch.equal(whole[0], torch.cat([left[0], right[0]]))
        assert torch.equal(whole[1], torch.cat([left[1], right[1]]))


@pytest.mark.parametrize("augment", [False, True])
def test_start_at_continues_the_unbroken_pass_once(augment: bool) -> None:
    split = pixels(50)
    unbroken = list(split.epochs(8, 1, augment=augment))
    loader = split.epochs(8, 1, augment=augment)
    for step in range(7):
        loader.start_at(step)
        rest = list(loader)
        assert len(rest) == 6 - step
        for (images, labels), (same, its_labels) in zip(rest, unbroken[step:], strict=True):
            assert torch.equal(images, same)
            assert torch.equal(labels, its_labels)
    assert len(list(loader)) == 6
    with pytest.raises(
        InvalidOption, match=r"step must lie in \[0, 6\], the steps of an epoch, not 7"
    ):
        loader.start_at(7)


def test_draws_differ_between_steps_epochs_and_seeds() -> None:
    drawn = [
        EpochOrder(100, 10, seed).task(epoch, step, augment=True).numbers
        for seed, epoch, step in itertools.product((0, 1), (0, 1), (0, 1, 2))
    ]
    assert len({numbers.tobytes() for numbers in drawn if numbers is not None}) == 12
    assert drawn[0] is not None
    assert drawn[0].shape == (10, NUMBERS)
    # The order's own generator must not be the one of step 0, which numpy seeds alike.
    assert not np.array_equal(
        drawn[0], np.random.default_rng([0, 0]).random((10, NUMBERS), dtype=np.float32)
    )


def test_evaluation_passes_once_over_all_images_and_the_last_batch_may_be_short() -> None:
    split = numbered(10)
    assert seen(split.batches(4)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert seen(split.batches(4, [7, 1, 3])) == [[7, 1, 3]]
    assert split.tensors(torch.tensor([7, 1]))[1].tolist() == [7, 1]
    assert len(split.tensors([])[1]) == 0
    with pytest.raises(InvalidOption, match=r"indices must lie in \[0, 10\), not from 3 to 10"):
        split.tensors([3, 10])
    with pytest.raises(InvalidOption, match="batch_size must be at least 1, not 0"):
        next(in_order(10, 0))


def test_what_makes_no_order_is_named() -> None:
    split = numbered(10)
    with pytest.raises(InvalidOption, match="batch_size must be at least 1, not 0"):
        split.epochs(0, 0)
    with pytest.raises(InvalidOption, match=r"rank must lie in \[0, 2\), not 2"):
        split.epochs(1, 0, rank=2, ranks=2)
    with pytest.raises(InvalidOption, match="jitter needs pixels"):
        split.epochs(1, 0, augment=Augmentation(jitter=0.4))

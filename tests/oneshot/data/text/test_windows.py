"""Windows cover the text once, in its order, and resume anywhere."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oneshot.data.augmentation import Augmentation
from oneshot.data.text.targets import SpelledTokens
from oneshot.data.text.windows import TextSplit, WindowOrder
from oneshot.errors import InvalidOption


def text(count: int, length: int = 7) -> TextSplit:
    return TextSplit(torch.arange(count), length)


@given(st.integers(200, 900), st.integers(1, 8), st.integers(1, 20), st.booleans())
def test_epoch_reads_each_row_once_in_order(
    count: int, rows: int, length: int, random: bool
) -> None:
    split = text(count, length)

    batches = list(split.epochs(rows, 3, augment=random))

    assert len(batches) == len(split) // rows
    read = torch.cat([inputs for inputs, _ in batches], 1)
    assert torch.equal(read.flatten(), torch.arange(len(batches) * length * rows))
    for inputs, targets in batches:
        assert torch.equal(targets, inputs + 1)


def test_loader_resumes_at_any_window() -> None:
    loader = text(400).epochs(4, 5, augment=True)
    loader.set_epoch(3)
    whole = list(loader)

    for step in (0, 1, len(whole)):
        loader.set_epoch(3)
        loader.start_at(step)
        rest = list(loader)
        assert len(rest) == len(whole) - step
        for (first, _), (second, _) in zip(whole[step:], rest, strict=True):
            assert torch.equal(first, second)

    with pytest.raises(InvalidOption, match="step must lie in"):
        loader.start_at(len(whole) + 1)


def test_random_lengths_have_the_published_distribution() -> None:
    order = WindowOrder(4000, 35, 0, random=True)

    lengths = np.diff(order.starts(0))

    assert order.starts(0)[-1] == 4000 * 35
    assert lengths.min() >= 1
    # 5% of the windows have about half of the length; both kinds are scaled by the same factor.
    short = lengths < 26
    assert 0.03 < short.mean() < 0.12
    assert 4 < lengths[~short].std() < 6
    assert not np.array_equal(order.starts(0), order.starts(1))
    assert np.array_equal(order.starts(1), WindowOrder(4000, 35, 0, random=True).starts(1))


def test_processes_share_the_rows_of_a_batch() -> None:
    split = text(500)
    alone = list(split.epochs(6, 0, augment=True))
    shares = [list(split.epochs(2, 0, augment=True, rank=rank, ranks=3)) for rank in range(3)]

    for number, (inputs, _) in enumerate(alone):
        assert torch.equal(inputs, torch.cat([share[number][0] for share in shares]))


@given(st.integers(2, 3000), st.integers(1, 300))
def test_evaluation_predicts_each_token_once(count: int, batch_size: int) -> None:
    batches = list(text(count).batches(batch_size))

    predicted = torch.cat([targets.flatten() for _, targets in batches])
    assert torch.equal(predicted.sort().values, torch.arange(1, count))

    # Each batch continues the rows of the one before.
    for (inputs, targets), (following, _) in itertools.pairwise(batches):
        assert len(following) <= len(inputs)
        assert torch.equal(following[:, 0], targets[: len(following), -1])


def test_windows_by_index_do_not_follow_each_other() -> None:
    split = text(50)

    inputs, targets = split.tensors([3, 0])

    assert inputs[:, 0].tolist() == [21, 0]
    assert torch.equal(targets, inputs + 1)
    assert [len(batch) for batch, _ in split.batches(2, [1, 2, 3])] == [2, 1]
    with pytest.raises(InvalidOption, match=r"indices must lie in \[0, 7\)"):
        split.tensors([7])


def test_numbers_of_characters_are_those_of_the_targets() -> None:
    split = TextSplit(torch.arange(22), 7, torch.arange(22) + 100)

    _, targets = split.tensors([1])

    assert isinstance(targets, SpelledTokens)
    assert torch.equal(targets.characters, targets.tokens + 100)
    assert targets.to("cpu")[:0].characters.shape == (0, 7)


def test_text_shorter_than_a_batch_is_refused() -> None:
    split = text(28)

    assert len(list(split.epochs(3, 0))) == 1
    with pytest.raises(
        InvalidOption, match="4 rows of 7 tokens need 29 tokens, the training part has 28"
    ):
        split.epochs(4, 0)


def test_augmentation_of_images_is_refused() -> None:
    with pytest.raises(InvalidOption, match="for images, not for a text"):
        text(100).epochs(2, 0, augment=Augmentation(cutout=4))
    with pytest.raises(InvalidOption, match="batch_size must be at least 1, not 0"):
        list(text(100).batches(0))

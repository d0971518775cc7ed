"""The validation part that is cut from training images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneshot.data.errors import InvalidData
from oneshot.data.validation_split import digest, stratified, validation_size


@given(
    labels=st.lists(st.integers(0, 6), min_size=2, max_size=200),
    seed=st.integers(0, 5),
    data=st.data(),
)
def test_parts_are_disjoint_whole_and_in_proportion(
    labels: list[int], seed: int, data: st.DataObject
) -> None:
    array = np.array(labels)
    size = data.draw(st.integers(1, len(labels) - 1))
    kept, cut = stratified(array, size, seed)
    assert len(cut) == size
    assert np.array_equal(np.sort(np.concatenate([kept, cut])), np.arange(len(labels)))
    assert np.array_equal(cut, np.sort(cut))
    for label in set(labels):
        share = np.sum(array == label) * size / len(labels)
        assert abs(np.sum(array[cut] == label) - share) < 1
    again = stratified(array, size, seed)
    assert np.array_equal(again[0], kept)
    assert np.array_equal(again[1], cut)


def test_the_seed_chooses() -> None:
    labels = np.arange(1000) % 10
    parts = [stratified(labels, 100, seed)[1].tolist() for seed in range(3)]
    assert parts[0] != parts[1] != parts[2]
    # Every image may be chosen, the first of a class no more often than the last.
    chosen = np.concatenate([stratified(labels, 100, seed)[1] for seed in range(200)])
    assert len(np.unique(chosen)) == 1000
    assert chosen.mean() == pytest.approx(499.5, abs=12)


def test_default_size() -> None:
    assert validation_size(50_000, None) == 5000
    assert validation_size(1_281_167, None) == 50_000
    assert validation_size(80, None) == 8
    assert validation_size(4, None) == 1
    for asked in (0, 80):
        with pytest.raises(
            InvalidData, match=f"a validation part of {asked} images cannot be split from 80"
        ):
            validation_size(80, asked)


def test_digest_tells_images_labels_and_parts_apart() -> None:
    def of(*parts: tuple[list[bytes], list[int]]) -> str:
        return digest((images, np.array(labels)) for images, labels in parts)

    first = of(([b"a", b"b"], [0, 1]), ([b"c"], [0]))
    assert first == of(([b"a", b"b"], [0, 1]), ([b"c"], [0]))
    others = [
        of(([b"ab"], [0, 1]), ([b"c"], [0])),
        of(([b"b", b"a"], [0, 1]), ([b"c"], [0])),
        of(([b"a", b"b"], [1, 0]), ([b"c"], [0])),
        of(([b"a"], [0]), ([b"b", b"c"], [1, 0])),
    ]
    assert len({first, *others}) == 5

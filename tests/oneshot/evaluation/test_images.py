"""Which images candidates are recalibrated and evaluated on: fixed, of the right parts, never
augmented.
"""

import dataclasses
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import Tensor

from oneshot.data.images import ImageData, ImageSplit
from oneshot.data.preprocessing import Preprocessing
from oneshot.errors import InvalidOption, InvalidRun
from oneshot.evaluation.evaluator import Evaluator
from oneshot.evaluation.images import EvaluationImages
from oneshot.evaluation.settings import EvaluationSettings
from spaces import Supernet

CPU = torch.device("cpu")


@dataclass
class Watched:
    """A part of a data set that says what was read of it and has neither an order nor an
    augmentation to offer.
    """

    inner: ImageSplit
    asked: list[list[int]] = field(default_factory=list)

    @property
    def labels(self) -> Tensor:
        """Of the images."""
        return self.inner.labels

    def __len__(self) -> int:
        return len(self.inner)

    def tensors(self, indices: np.ndarray) -> tuple[Tensor, Tensor]:
        """The images, with a record."""
        self.asked.append(indices.tolist())
        return self.inner.tensors(indices)


@pytest.fixture
def watched(images: ImageData) -> ImageData:
    """The made-up images; the test part cannot be touched at all."""
    parts = [Watched(part) for part in (images.train, images.validation)]
    return ImageData("watched", *parts, None, num_classes=3, split_seed=0)  # type: ignore[arg-type]


def test_every_candidate_sees_the_same_images_and_they_are_read_once(
    supernet: Supernet, watched: ImageData
) -> None:
    """Not the mistake of an iterator that is kept between evaluations: no slice, no crop, nothing
    of the test part.
    """
    settings = EvaluationSettings(images=20, recalibration_batches=2, recalibration_batch_size=16)
    evaluator = Evaluator(supernet, watched, settings)
    first = evaluator.evaluate(np.array([0, 1, 2]))
    for codes in ([1, 1, 1], [2, 0, 3]):
        evaluator.evaluate(np.array(codes))
    assert evaluator.evaluate(np.array([0, 1, 2])) == first
    train, validation = watched.train, watched.validation
    assert isinstance(train, Watched)
    assert isinstance(validation, Watched)
    assert [len(asked) for asked in train.asked] == [32]
    assert [len(asked) for asked in validation.asked] == [20]
    assert evaluator.images.count == 20
    assert sum(map(len, evaluator.images.recalibration)) == 32


def test_images_are_those_of_their_parts_as_evaluation_reads_them(images: ImageData) -> None:
    settings = EvaluationSettings(
        images=30, recalibration_batches=3, recalibration_batch_size=20, batch_size=7
    )
    found = EvaluationImages.from_data(images, settings, CPU)
    rows = np.sort(np.random.default_rng(0).permutation(48)[:30])
    assert torch.equal(torch.cat(found.validation), images.validation.tensors()[0][rows])
    assert torch.equal(torch.cat(found.targets), images.validation.labels[rows])
    assert [len(batch) for batch in found.validation] == [7, 7, 7, 7, 2]
    drawn = np.random.default_rng(0).permutation(96)[:60]
    assert torch.equal(torch.cat(found.recalibration), images.train.tensors()[0][drawn])
    assert [len(batch) for batch in found.recalibration] == [20, 20, 20]


def test_the_seed_alone_decides_which(images: ImageData) -> None:
    few = EvaluationSettings(images=10, recalibration_batches=1, recalibration_batch_size=8)
    first, again = (EvaluationImages.from_data(images, few, CPU) for _ in range(2))
    assert torch.equal(first.validation[0], again.validation[0])
    assert torch.equal(first.recalibration[0], again.recalibration[0])
    other = EvaluationImages.from_data(images, EvaluationSettings(10, 1, 8, seed=1), CPU)
    assert not torch.equal(first.validation[0], other.validation[0])
    assert not torch.equal(first.recalibration[0], other.recalibration[0])


def test_small_parts_are_taken_whole(images: ImageData) -> None:
    found = EvaluationImages.from_data(images, EvaluationSettings(), CPU)
    assert (found.count, sum(map(len, found.recalibration))) == (48, 96)
    assert torch.equal(torch.cat(found.validation), images.validation.tensors()[0])


def test_the_published_numbers_are_the_default() -> None:
    settings = EvaluationSettings()
    assert (settings.images, settings.recalibration_batches, settings.recalibration_batch_size) == (
        8000,
        200,
        128,
    )


def test_no_image_is_an_error_not_a_number(images: ImageData) -> None:
    nothing = ImageSplit(images.train.tensors()[0][:0], images.train.labels[:0])
    broken = ImageData("none", nothing, images.validation, images.test, 3, 0)
    with pytest.raises(InvalidRun, match="none of the images"):
        EvaluationImages.from_data(broken, EvaluationSettings(), CPU)


def test_more_images_than_there_is_room_for_are_refused_before_they_are_read(
    images: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oneshot.evaluation.images.free_bytes", lambda device: 10**6)
    large = dataclasses.replace(
        images, preprocessing=Preprocessing.from_kind("standard", (3, 16, 16))
    )
    assert EvaluationImages.from_data(large, EvaluationSettings(), CPU).count == 48
    huge = dataclasses.replace(
        images, preprocessing=Preprocessing.from_kind("standard", (3, 224, 224))
    )
    with pytest.raises(
        InvalidOption,
        match=r"144 images of 3 x 224 x 224 need 0.1 GB on cpu, where 0.0 GB are free",
    ):
        EvaluationImages.from_data(huge, EvaluationSettings(), CPU)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"images": 0}, "images must be at least 1, not 0"),
        ({"recalibration_batches": -1}, "recalibration_batches must be at least 1, not -1"),
        ({"precision": "int8"}, "precision must be one of fp32, bf16, fp16, not 'int8'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given: dict[str, int], said: str) -> None:
    with pytest.raises(InvalidOption, match=said):
        EvaluationSettings(**given)  # type: ignore[arg-type]

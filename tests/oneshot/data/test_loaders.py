"""Both loaders of folders: the same images, whatever the number of workers, with broken files among
them.
"""

import logging
import multiprocessing
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from oneshot.data import dali_source
from oneshot.data.augmentation import Augmentation
from oneshot.data.folder_split import FolderSplit
from oneshot.data.images import ImageData
from oneshot.data.preprocessing import Preprocessing
from oneshot.data.registry import load
from oneshot.data.resampling import centre, resample
from spaces.errors import MissingExtra

SHAPE = (3, 48, 48)
UNREADABLE = {"a-truncated.jpg", "b-text.jpg", "c-empty.jpg"}


def value_range(preprocessing: Preprocessing | None) -> float:
    """Distance between black and white in the network's input, averaged over channels."""
    assert preprocessing is not None
    return sum(1 / deviation for deviation in preprocessing.deviation) / len(
        preprocessing.deviation
    )


@pytest.fixture(params=["torch", "dali"])
def loader(request: pytest.FixtureRequest) -> str:
    """Each loader's name."""
    if request.param == "dali":
        pytest.importorskip("nvidia.dali", reason="needs the extra dali")
    return str(request.param)


def loaded(root: Path, loader: str, preprocessing: str = "standard", workers: int = 0) -> ImageData:
    """The folder's data set."""
    return load(root, SHAPE, loader=loader, preprocessing=preprocessing, workers=workers)


def difference(data: ImageData, first: torch.Tensor, second: torch.Tensor) -> float:
    """Mean absolute difference in steps of 1/255 of the range from black to white."""
    assert data.preprocessing is not None
    return (first - second).abs().mean().item() / value_range(data.preprocessing) * 255


CLOSE = 1.0 if torch.cuda.is_available() else 0.5
"""Steps of 1/255 that loaders may differ by: 1 is required; on processors both decode by
libjpeg-turbo.
"""


def both(
    root: Path, shape: tuple[int, int, int], preprocessing: str
) -> tuple[ImageData, ImageData]:
    """The folder's data set by torch's loader and by DALI."""
    pytest.importorskip("nvidia.dali", reason="needs the extra dali")
    first, second = (
        load(root, shape, loader=name, preprocessing=preprocessing, workers=1)
        for name in ("torch", "dali")
    )
    assert isinstance(first.train, FolderSplit)
    assert isinstance(second.train, FolderSplit)
    assert (first.train.loader, second.train.loader) == ("torch", "dali")
    return first, second


@pytest.mark.reference_data
@pytest.mark.parametrize("preprocessing", ["standard", "spos"])
def test_both_give_the_same_photographs(reference_data: Path, preprocessing: str) -> None:
    by_torch, by_dali = both(
        reference_data / "images" / "hymenoptera", (3, 224, 224), preprocessing
    )
    for first, second in ((by_torch.validation, by_dali.validation), (by_torch.test, by_dali.test)):
        images, labels = first.tensors()
        same, its_labels = second.tensors()
        assert torch.equal(labels, its_labels)
        assert difference(by_torch, images, same) < CLOSE
        each = (images - same).abs().mean((1, 2, 3))
        assert each.max().item() / value_range(by_torch.preprocessing) * 255 < 1  # type: ignore[union-attr]


@pytest.mark.parametrize("preprocessing", ["standard", "spos"])
def test_both_give_the_same_made_up_pictures(photographs: Path, preprocessing: str) -> None:
    by_torch, by_dali = both(photographs, SHAPE, preprocessing)
    images, labels = by_torch.test.tensors()
    same, its_labels = by_dali.test.tensors()
    assert labels.tolist() == its_labels.tolist() == [0] * 5 + [1] * 5
    assert difference(by_torch, images, same) < CLOSE
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert same.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("preprocessing", ["standard", "spos"])
def test_both_augment_alike(photographs: Path, preprocessing: str) -> None:
    by_torch, by_dali = both(photographs, SHAPE, preprocessing)
    how = Augmentation(jitter=0.4, cutout=12)
    for augment in (True, how):
        batches = zip(
            by_torch.train.epochs(5, 3, augment=augment),
            by_dali.train.epochs(5, 3, augment=augment),
            strict=True,
        )
        count = 0
        for (images, labels), (same, its_labels) in batches:
            count += 1
            same = same.cpu()
            assert torch.equal(labels, its_labels.cpu())
            # What decodes at half size, and colours that are rounded before they are normalised,
            # cost a little.
            assert difference(by_torch, images, same) < 1
            if augment is how and preprocessing == "standard":  # else 0 is black
                assert torch.equal(images == 0, same == 0)
                assert ((images == 0).all(1).sum((1, 2)) > 0).all()
        assert count == 4


@pytest.mark.gpu
def test_dali_gives_its_batches_on_the_gpu(photographs: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    by_torch, by_dali = both(photographs, SHAPE, "standard")
    assert load(photographs, SHAPE).train.loader == "dali"  # type: ignore[attr-defined]
    for (images, labels), (same, its_labels) in zip(
        by_torch.test.batches(4), by_dali.test.batches(4), strict=True
    ):
        assert same.device.type == its_labels.device.type == "cuda"
        assert torch.equal(labels, its_labels.cpu())
        assert difference(by_torch, images, same.cpu()) < 1
    assert by_dali.test.tensors()[0].device.type == "cpu"


def test_spos_is_bgr_from_0_to_255(photographs: Path, loader: str) -> None:
    standard, spos = (loaded(photographs, loader, kind).test for kind in ("standard", "spos"))
    assert isinstance(standard, FolderSplit)
    with Image.open(photographs / standard.files[0]) as image:
        red, _, blue = np.asarray(image.convert("RGB")).astype(np.float64).mean((0, 1))
    images, _ = spos.tensors([0])
    assert images.min() >= 0
    assert 200 < images.max() <= 255
    assert images[0, 0].mean().item() == pytest.approx(blue, abs=12)
    assert images[0, 2].mean().item() == pytest.approx(red, abs=12)
    undone = standard.preprocessing.pixels(standard.tensors([0])[0])
    assert undone[0, 0].float().mean().item() == pytest.approx(red, abs=12)


def test_without_antialiasing_is_what_spos_asks_for(tmp_path: Path, loader: str) -> None:
    # Columns of black and white, seven to an input pixel: averaged they are grey, picked they are
    # black or white.
    stripes = np.zeros((384, 384, 3), np.uint8)
    stripes[:, ::2] = 255
    for part in ("train", "val"):
        for name in ("a", "b"):
            (tmp_path / part / name).mkdir(parents=True)
            for index in range(2):
                Image.fromarray(stripes).save(tmp_path / part / name / f"{index}.png")
    spread = {}
    for kind in ("standard", "spos"):
        data = loaded(tmp_path, loader, kind)
        assert data.preprocessing is not None
        spread[kind] = data.test.tensors([0])[0][0, 0].std().item() / value_range(
            data.preprocessing
        )
    assert spread["standard"] < 0.06
    assert spread["spos"] > 0.15


def test_any_number_of_workers_gives_the_same(photographs: Path) -> None:
    def everything(workers: int) -> list[torch.Tensor]:
        data = loaded(photographs, "torch", workers=workers)
        batches = list(data.train.epochs(20, 5, augment=True)) + list(data.test.batches(7))
        return [tensor for batch in batches for tensor in batch]

    alone = everything(0)
    assert len(alone) == 6
    for workers in (1, 3):
        for first, second in zip(alone, everything(workers), strict=True):
            assert torch.equal(first, second)


def test_an_abandoned_pass_leaves_no_process(photographs: Path) -> None:
    batches = iter(loaded(photographs, "torch", workers=2).train.epochs(4, 0))
    next(batches)
    assert len(multiprocessing.active_children()) == 2
    del batches
    assert multiprocessing.active_children() == []


def test_global_generators_are_left_alone(photographs: Path, loader: str) -> None:
    torch.manual_seed(0)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    list(loaded(photographs, loader, workers=1).train.epochs(8, 0, augment=True))
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002


def test_start_at_equals_the_unbroken_order(photographs: Path, loader: str) -> None:
    train = loaded(photographs, loader).train
    passing = train.epochs(6, 2, augment=True)
    passing.set_epoch(4)
    unbroken = list(passing)
    passing.start_at(2)
    rest = list(passing)
    assert (len(unbroken), len(rest)) == (3, 1)
    assert torch.equal(rest[0][0], unbroken[2][0])
    assert torch.equal(rest[0][1], unbroken[2][1])
    passing.set_epoch(5)
    assert not torch.equal(next(iter(passing))[0], unbroken[0][0])


def test_ranks_share_an_epoch(photographs: Path, loader: str) -> None:
    train = loaded(photographs, loader).train
    alone = list(train.epochs(8, 2, augment=True))
    parts = [list(train.epochs(4, 2, augment=True, rank=rank, ranks=2)) for rank in (0, 1)]
    assert len(alone) == len(parts[0]) == len(parts[1]) == 2
    for whole, left, right in zip(alone, *parts, strict=True):
        assert torch.equal(whole[0], torch.cat([left[0], right[0]]))
        assert torch.equal(whole[1], torch.cat([left[1], right[1]]))


def test_broken_files_are_named_once_and_left_out_of_evaluation(
    broken: Path, loader: str, caplog: pytest.LogCaptureFixture
) -> None:
    test = loaded(broken, loader).test
    assert isinstance(test, FolderSplit)
    assert (len(test), "notes.txt" in str(test.files)) == (19, False)
    with caplog.at_level(logging.WARNING, "oneshot.data"):
        images, labels = test.tensors()
        again, _ = test.tensors()
    assert len(images) == len(labels) == len(again) == 16
    assert labels.tolist() == [0] * 11 + [1] * 5
    assert {Path(name).name for name in test.unreadable} == UNREADABLE
    assert len(caplog.messages) == 3
    assert "a-truncated.jpg: " in caplog.messages[0]
    assert "truncated (1 unreadable so far)" in caplog.messages[0]
    assert "no image file that Pillow knows (2 unreadable so far)" in caplog.messages[1]
    assert "the file is empty (3 unreadable so far)" in caplog.messages[2]
    # A batch of broken files alone is none.
    broken_ones = [index for index, file in enumerate(test.files) if Path(file).name in UNREADABLE]
    assert list(test.batches(1, broken_ones)) == []


def test_readable_images_take_the_place_of_broken_ones_in_training(
    broken: Path, loader: str
) -> None:
    train = loaded(broken, loader).train
    batches = list(train.epochs(len(train) // 2, 0, augment=True))
    assert [len(labels) for _, labels in batches] == [len(train) // 2] * 2
    assert {Path(name).name for name in train.unreadable} <= UNREADABLE
    assert all(bool(images.isfinite().all()) for images, _ in batches)


def test_workers_tell_what_they_could_not_read(broken: Path) -> None:
    test = loaded(broken, "torch", workers=2).test
    assert len(test.tensors()[1]) == 16
    assert {Path(name).name for name in test.unreadable} == UNREADABLE


def test_both_read_odd_formats_alike(broken: Path) -> None:
    by_torch, by_dali = both(broken, SHAPE, "standard")
    images, labels = by_torch.test.tensors()
    same, its_labels = by_dali.test.tensors()
    assert labels.tolist() == its_labels.tolist()
    assert difference(by_torch, images, same) < CLOSE
    each = (images - same).abs().mean((1, 2, 3)) / value_range(by_torch.preprocessing) * 255  # type: ignore[union-attr]
    assert each.max().item() < 1


def test_a_file_that_dali_alone_cannot_decode_is_decoded_by_pillow(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nvidia.dali", reason="needs the extra dali")
    expected = list(loaded(photographs, "dali").test.batches(4))
    once: list[int] = []
    encoded = dali_source.encoded

    def damaged(content: bytes, careful: bool) -> tuple[np.ndarray, tuple[int, int]]:
        found, size = encoded(content, careful)
        if not careful and len(once) < 6:
            once.append(1)
            if len(once) == 6:  # of the second batch
                return np.frombuffer(b"\xff\xd8\xff\xd9", np.uint8), size
        return found, size

    monkeypatch.setattr(dali_source, "encoded", damaged)
    found = list(loaded(photographs, "dali").test.batches(4))
    assert len(once) == 6
    assert [labels.tolist() for _, labels in found] == [labels.tolist() for _, labels in expected]
    for (images, _), (same, _) in zip(found, expected, strict=True):
        assert torch.equal(images, same)


def test_dali_that_is_not_installed_is_named_with_its_extra(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    find: Callable[..., object] = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "nvidia" else find(name, *rest),
    )
    monkeypatch.setitem(sys.modules, "nvidia", None)
    with pytest.raises(
        MissingExtra, match=r"nvidia\.dali, which is not installed: pip install 'pathfit\[dali\]'"
    ):
        loaded(photographs, "dali")
    train = loaded(photographs, "auto").train
    assert isinstance(train, FolderSplit)
    assert train.loader == "torch"


@pytest.mark.parametrize("preprocessing", ["standard", "spos"])
def test_evaluation_sees_the_centre_and_never_the_training_crop(
    photographs: Path, loader: str, preprocessing: str
) -> None:
    data = loaded(photographs, loader, preprocessing)
    first = data.validation.tensors()[0]
    list(data.train.epochs(8, 0, augment=True))
    assert torch.equal(data.validation.tensors()[0], first)
    assert torch.equal(torch.cat([images.cpu() for images, _ in data.validation.batches(1)]), first)
    assert isinstance(data.validation, FolderSplit)
    for image, file in zip(first, data.validation.files, strict=True):
        with Image.open(photographs / file) as picture:
            whole = picture.convert("RGB")
        is_spos = preprocessing == "spos"
        box = centre(*whole.size, SHAPE[1:], is_spos)
        seen = resample(whole, box, SHAPE[1:], antialias=not is_spos)
        expected = data.validation.preprocessing.normalised(
            torch.from_numpy(seen.copy()).permute(2, 0, 1)[None]
        )
        assert difference(data, image[None], expected) < CLOSE

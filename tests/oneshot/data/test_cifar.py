"""CIFAR's python archives, as Python 2 wrote them, and what must not be read from a pickle."""

import io
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from oneshot.data.errors import InvalidData
from oneshot.data.pixels import PixelSplit
from oneshot.data.registry import load
from spaces.errors import InvalidFile
from spaces.formats.array_pickle import ARRAYS
from spaces.formats.restricted_pickle import loads_plain

SHAPE = (3, 32, 32)


class Python2(pickle._Pickler):  # type: ignore[name-defined, misc]
    """Writes text and bytes as Python 2 wrote its strings."""

    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def save_string(self, value: str | bytes) -> None:
        content = value.encode() if isinstance(value, str) else value
        self.write(b"T" + len(content).to_bytes(4, "little") + content)  # BINSTRING
        self.memoize(value)

    dispatch[bytes] = save_string
    dispatch[str] = save_string


def python2(value: object) -> bytes:
    """A pickle file as those of CIFAR's homepage."""
    content = io.BytesIO()
    Python2(content, 2).dump(value)
    return content.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def batch(count: int, label: str, classes: int, seed: int) -> dict[str, Any]:
    """A file's fields."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, 3072), dtype=np.uint8)
    return {
        "data": pixels,
        label: (np.arange(count) % classes).tolist(),
        "filenames": ["a.png"] * count,
    }


@pytest.fixture
def cifar10() -> dict[str, dict[str, Any]]:
    """The files of a small CIFAR-10."""
    files = {f"data_batch_{index}": batch(20, "labels", 10, index) for index in range(1, 6)}
    return {
        **files,
        "test_batch": batch(30, "labels", 10, 9),
        "batches.meta": {"label_names": list("abcdefghij")},
    }


def write_folder(
    root: Path, files: dict[str, dict[str, Any]], name: str = "cifar-10-batches-py"
) -> Path:
    """The unpacked archive."""
    (root / name).mkdir(parents=True)
    for file, value in files.items():
        (root / name / file).write_bytes(python2(value))
    return root / name


def write_archive(
    path: Path, files: dict[str, dict[str, Any]], name: str = "cifar-10-batches-py"
) -> Path:
    """The archive as it is downloaded."""
    with tarfile.open(path, "w:gz") as archive:
        for file, value in files.items():
            content = python2(value)
            member = tarfile.TarInfo(f"{name}/{file}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_archive_and_folder_give_the_same_images(
    tmp_path: Path, cifar10: dict[str, dict[str, Any]]
) -> None:
    folder = write_folder(tmp_path, cifar10)
    archive = write_archive(tmp_path / "cifar-10-python.tar.gz", cifar10)
    first, second = (load(f"cifar10:{place}", SHAPE) for place in (folder, archive))
    assert (len(first.train), len(first.validation), len(first.test)) == (90, 10, 30)
    assert (first.num_classes, first.classes) == (10, tuple("abcdefghij"))
    assert first.digest == second.digest
    assert first.name == f"cifar10:{folder}"
    assert isinstance(first.test, PixelSplit)
    given = torch.from_numpy(cifar10["test_batch"]["data"].reshape(30, 3, 32, 32))
    assert torch.equal(first.test.pixels, given)
    assert first.test.labels.tolist() == cifar10["test_batch"]["labels"]
    images, _ = first.test.tensors()
    assert images[3, 1, 4, 5].item() == pytest.approx(
        (given[3, 1, 4, 5].item() / 255 - 0.4822) / 0.2435, abs=1e-5
    )
    assert torch.equal(images, first.test.images)
    train = {row.tobytes() for part in range(1, 6) for row in cifar10[f"data_batch_{part}"]["data"]}
    parts = [
        {row.numpy().tobytes() for row in part.pixels.contiguous()}
        for part in (first.train, first.validation)
    ]  # type: ignore[attr-defined]
    assert parts[0] | parts[1] == train
    assert not parts[0] & parts[1]


def test_cifar100_has_fine_labels(tmp_path: Path) -> None:
    names = [f"class {index}" for index in range(100)]
    files = {
        "train": {**batch(300, "fine_labels", 100, 0), "coarse_labels": [0] * 300},
        "test": {**batch(100, "fine_labels", 100, 1), "coarse_labels": [0] * 100},
        "meta": {"fine_label_names": names, "coarse_label_names": ["a"]},
    }
    data = load(f"cifar100:{write_folder(tmp_path, files, 'cifar-100-python')}", SHAPE)
    assert data.num_classes == 100
    assert data.classes == tuple(names)
    assert data.test.labels.tolist() == list(range(100))


def test_found_below_pathfit_data(
    tmp_path: Path, cifar10: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PATHFIT_DATA", raising=False)
    with pytest.raises(
        InvalidData,
        match=r"where is CIFAR-10 .*write --data cifar10:PATH, or let PATHFIT_DATA name",
    ):
        load("cifar10", SHAPE)
    monkeypatch.setenv("PATHFIT_DATA", os.pathsep.join([str(tmp_path / "none"), str(tmp_path)]))
    with pytest.raises(
        InvalidData, match=r"looked for cifar-10-batches-py or cifar-10-python\.tar\.gz in"
    ):
        load("cifar10", SHAPE)
    write_folder(tmp_path / "cifar10", cifar10)
    assert load("cifar10", SHAPE).name == "cifar10"


def test_broken_files_are_named(tmp_path: Path, cifar10: dict[str, dict[str, Any]]) -> None:
    def refused(files: dict[str, dict[str, Any]], message: str, number: int) -> None:
        with pytest.raises(InvalidData, match=message):
            load(f"cifar10:{write_folder(tmp_path / str(number), files)}", SHAPE)

    refused(
        {**cifar10, "test_batch": {"labels": [0]}},
        r"test_batch: data must be uint8 \[n, 3072\] and labels",
        0,
    )
    refused({**cifar10, "batches.meta": {}}, "batches.meta lacks the field label_names", 1)
    refused({**cifar10, "test_batch": []}, "test_batch: a dictionary is needed, not list", 2)  # type: ignore[dict-item]
    wrong = {**cifar10["test_batch"], "labels": [10] * 30}
    refused({**cifar10, "test_batch": wrong}, r"a label lies outside \[0, 10\)", 3)
    refused(
        {key: value for key, value in cifar10.items() if key != "data_batch_3"},
        "cannot read .*data_batch_3",
        4,
    )
    archive = write_archive(tmp_path / "some.tar.gz", {"data_batch_1": cifar10["data_batch_1"]})
    with pytest.raises(InvalidData, match="holds no cifar-10-batches-py/data_batch_2"):
        load(f"cifar10:{archive}", SHAPE)
    archive.write_bytes(archive.read_bytes()[:200])
    with pytest.raises(InvalidData, match="no complete archive"):
        load(f"cifar10:{archive}", SHAPE)


class Call:
    """Pickles as the call of a function."""

    def __init__(self, function: Any, *arguments: object):
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Call(os.system, "echo reached"), "refused to load posix.system"),
        (Call(eval, "1"), r"refused to load (__builtin__|builtins)\.eval"),
        (Call(np.load, "file"), "refused to load numpy.load"),
        (np.array([Call(os.system, "echo reached")], dtype=object), "refused"),
        (
            np.array([None, 1], dtype=object),
            "refused an array of object; only numbers and text are read",
        ),
        (np.zeros(2, dtype=[("a", "i4")]), "refused an array"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_no_code_comes_out_of_a_pickle(
    value: object, message: str, protocol: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InvalidFile, match=f"file: {message}"):
        loads_plain(pickle.dumps({"data": value}, protocol), "file", ARRAYS, encoding="bytes")
    assert "reached" not in capfd.readouterr().out


@pytest.mark.parametrize(
    "content", [b"", b"no pickle", b"\x80\x02}q\x00", b"\x80\x02K\x01r\xff\xff\xff\x7f."]
)
def test_what_is_no_pickle_is_named(content: bytes) -> None:
    with pytest.raises(InvalidFile, match="file: "):
        loads_plain(content, "file", ARRAYS, encoding="bytes")


@pytest.mark.parametrize("protocol", [1, 2, 3, 4])
def test_arrays_of_either_python_are_read(protocol: int) -> None:
    value = {
        "data": np.arange(12, dtype=np.uint8).reshape(3, 4),
        "floats": np.ones((2, 2)),
        "names": ["a", b"b"],
    }
    found = loads_plain(pickle.dumps(value, protocol), "file", ARRAYS, encoding="bytes")
    found = {key.decode() if isinstance(key, bytes) else key: part for key, part in found.items()}
    assert np.array_equal(found["data"], value["data"])
    assert np.array_equal(found["floats"], value["floats"])
    assert [name if isinstance(name, bytes) else name.encode() for name in found["names"]] == [
        b"a",
        b"b",
    ]
    from_python2 = loads_plain(python2(value), "file", ARRAYS, encoding="bytes")
    assert np.array_equal(from_python2[b"data"], value["data"])

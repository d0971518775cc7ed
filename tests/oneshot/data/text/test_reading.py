"""Texts become the same tokens from every kind of file, and unusable ones are refused."""

import gzip
from pathlib import Path
from typing import Any

import pytest
import torch

from oneshot.data.errors import InvalidData
from oneshot.data.registry import load, reload
from oneshot.data.text.loading import TextData
from oneshot.data.text.windows import TextSplit
from oneshot.errors import InvalidOption

LINES = "to be or not to be\nthat is the question\n"


def loaded(path: Path, length: int = 3, **text: Any) -> TextData:
    shape: Any = (length,)
    data = load(f"text:{path}", shape, text=text or None)
    assert isinstance(data, TextData)
    return data


def words(data: TextData, part: str) -> list[str]:
    split = getattr(data, part)
    assert isinstance(split, TextSplit)
    return [data.classes[index] for index in split.tokens.tolist()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.txt").write_text(LINES)
    (tmp_path / "valid.txt").write_text("to be brief\n")
    with gzip.open(tmp_path / "test.txt.gz", "wt") as file:
        file.write("that is\n")
    return tmp_path


def test_lines_become_words_with_ends(folder: Path) -> None:
    data = loaded(folder)

    assert words(data, "train") == [
        *("to", "be", "or", "not", "to", "be", "<eos>"),
        *("that", "is", "the", "question", "<eos>"),
    ]
    assert words(data, "test") == ["that", "is", "<eos>"]


def test_words_outside_the_training_part_are_unknown(folder: Path) -> None:
    data = loaded(folder)

    assert words(data, "validation") == ["to", "be", "<unk>", "<eos>"]
    assert data.num_classes == len(set(LINES.split())) + 2


def test_numbers_of_characters_add_up_to_the_text(folder: Path) -> None:
    data = loaded(folder)

    for part, text in (("train", LINES), ("validation", "to be brief\n")):
        counts = getattr(data, part).characters
        assert counts.sum() == len(text)


def test_characters_of_one_file_are_split_in_order(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("abcdefghij" * 10)

    data = loaded(path, level="characters", split=(0.5, 0.3, 0.2))

    parts = [words(data, part) for part in ("train", "validation", "test")]
    assert [len(part) for part in parts] == [50, 30, 20]
    assert "".join("".join(part) for part in parts) == "abcdefghij" * 10


def test_compressed_file_is_the_same_text(tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text(LINES * 20)
    with gzip.open(tmp_path / "packed.txt.gz", "wt") as file:
        file.write(LINES * 20)

    plain, packed = (loaded(tmp_path / name) for name in ("plain.txt", "packed.txt.gz"))

    assert plain.digest == packed.digest
    assert plain.record()["vocabulary"] == packed.record()["vocabulary"]


def test_record_restores_the_same_text(folder: Path) -> None:
    data = loaded(folder, level="characters")

    again = reload(data.record(), (3,))  # type: ignore[arg-type]

    assert again.record() == data.record()
    (folder / "valid.txt").write_text("to be long\n")
    with pytest.raises(InvalidData, match="has changed"):
        reload(data.record(), (3,))  # type: ignore[arg-type]


def test_encoding_of_the_files_is_used(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(("Zürich\n" * 40).encode("latin-1"))

    with pytest.raises(InvalidData, match=r"byte 1 \(0xfc\) is not utf-8; .*--encoding"):
        loaded(path)

    assert "Zürich" in loaded(path, encoding="latin-1").classes


@pytest.mark.parametrize(
    ("content", "level", "message"),
    [
        (b"", "words", "text.txt is empty"),
        (b"a", "characters", "has 1 token; a text needs at least 2"),
        (b"a b c d", "words", "part of .*text.txt has 0 tokens"),
    ],
)
def test_too_short_texts_are_refused_with_their_file(
    tmp_path: Path, content: bytes, level: str, message: str
) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(content)

    with pytest.raises(InvalidData, match=message):
        loaded(path, level=level)


def test_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.txt.gz"
    path.write_bytes(gzip.compress(LINES.encode())[:-12])

    with pytest.raises(InvalidData, match=r"cannot read .*text\.txt\.gz"):
        loaded(path)


def test_folder_without_a_part_is_refused(folder: Path) -> None:
    (folder / "valid.txt").unlink()

    with pytest.raises(InvalidData, match=r"holds no valid.txt"):
        loaded(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ({"level": "lines"}, "level must be one of words, characters"),
        ({"split": (0.9, 0.2, 0.1)}, "split must be three positive fractions"),
        ({"split": (0.9, 0.1)}, "split must be three positive fractions"),
        ({"encoding": "utf-99"}, "encoding must be one that Python has"),
    ],
)
def test_wrong_options_are_refused(folder: Path, text: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        loaded(folder, **text)


def test_texts_and_images_do_not_mix(folder: Path) -> None:
    with pytest.raises(InvalidOption, match="has tokens; the networks take an input"):
        load(f"text:{folder}", (3, 8, 8))
    with pytest.raises(InvalidOption, match="are for text:PATH, not for digits"):
        load("digits", (3, 8, 8), text={"level": "words"})
    with pytest.raises(InvalidOption, match="has a validation part of its own"):
        load(f"text:{folder}", (3,), validation=5)  # type: ignore[arg-type]


def test_limit_shortens_each_part(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("ab" * 500)

    shape: Any = (7,)
    data = load(f"text:{path}", shape, limit=2, text={"level": "characters"})

    assert len(data.train) == len(data.validation) == 2
    assert torch.equal(data.train.tensors()[0].flatten(), data.train.tokens[:14])  # type: ignore[attr-defined]

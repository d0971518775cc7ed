"""Texts as data sets: from files, or generated."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from oneshot.data.errors import InvalidData
from oneshot.data.images import ImageData
from oneshot.data.request import DataRequest
from oneshot.data.text.markov import SYMBOLS, MarkovSource
from oneshot.data.text.options import TextOptions
from oneshot.data.text.reading import read_parts
from oneshot.data.text.vocabulary import END, UNKNOWN, Vocabulary
from oneshot.data.text.windows import TextSplit
from oneshot.errors import InvalidOption

MARKOV_SIZES = (100_000, 10_000, 20_000)
"""Tokens of the training, validation and test part of the generated text."""

_MARKOV_SEED = 2026


@dataclass(frozen=True)
class TextData(ImageData):
    """A text with three parts; `classes` are the tokens of its vocabulary.

    Args:
        vocabulary: Digest of the vocabulary.
    """

    vocabulary: str = ""

    def record(self) -> dict[str, Any]:
        """Return the record of the set, with the digest of its vocabulary."""
        return {**super().record(), "vocabulary": self.vocabulary}

    def check_batch(self, batch_size: int) -> None:
        """Check that the training part has a window for each row of a batch.

        Raises:
            InvalidOption: It has fewer tokens.
        """
        assert isinstance(self.train, TextSplit)
        self.train.check_rows(batch_size)


def load(request: DataRequest) -> TextData:
    """Read a text: a folder with train.txt, valid.txt and test.txt, or one file.

    Raises:
        InvalidData: No path is given, or a file cannot be read or has too few tokens.
        InvalidOption: The networks do not read tokens, or an option is for images.
    """
    if request.path is None:
        raise InvalidData("text needs files: write --data text:FOLDER or --data text:FILE")

    options = request.text or TextOptions()
    parts = read_parts(request.path, options)
    vocabulary = Vocabulary.from_tokens(parts[0])
    characters = [_characters(tokens) if options.level == "words" else None for tokens in parts]
    encoded = [vocabulary.encode(tokens) for tokens in parts]
    return _text_data(request, vocabulary, encoded, characters)


def load_markov(request: DataRequest) -> TextData:
    """Generate a text of a second-order Markov source; see `MarkovSource`.

    Raises:
        InvalidOption: The networks do not read tokens, or an option is for images.
    """
    text = markov_source().generate(sum(MARKOV_SIZES), _MARKOV_SEED)
    first, second = np.cumsum(MARKOV_SIZES[:2])
    vocabulary = Vocabulary((UNKNOWN, *SYMBOLS))
    # Index 0 is <unk>, which the source never emits.
    parts = [part + 1 for part in np.split(text, [first, second])]
    return _text_data(request, vocabulary, parts, [None] * len(parts))


def markov_source() -> MarkovSource:
    """Return the source of the set `markov`.

    Example:
        >>> round(markov_source().perplexity, 3) < 8
        True
    """
    return MarkovSource.from_seed(_MARKOV_SEED)


def _text_data(
    request: DataRequest,
    vocabulary: Vocabulary,
    parts: Sequence[NDArray[np.int64]],
    characters: Sequence[NDArray[np.int64] | None],
) -> TextData:
    _check(request)
    shape: tuple[int, ...] = request.input_shape
    length = shape[0]
    splits = [
        TextSplit(
            torch.from_numpy(_limited(tokens, request.limit, length)),
            length,
            None if counts is None else torch.from_numpy(_limited(counts, request.limit, length)),
        )
        for tokens, counts in zip(parts, characters, strict=True)
    ]

    return TextData(
        request.name,
        train=splits[0],
        validation=splits[1],
        test=splits[2],
        num_classes=len(vocabulary),
        split_seed=request.split_seed,
        classes=vocabulary.tokens,
        digest=_digest(vocabulary, splits),
        request=request,
        vocabulary=vocabulary.digest,
    )


def _check(request: DataRequest) -> None:
    """Refuse networks of images, and options of images."""
    shape: tuple[int, ...] = request.input_shape
    if len(shape) != 1:
        raise InvalidOption(
            f"data: {request.name} has tokens; the networks take an input of the shape"
            f" {shape}, not a row of tokens"
        )
    if request.preprocessing != "standard":
        raise InvalidOption(f"data: a text has no preprocessing {request.preprocessing!r}")

    # Algorithms ask for a fraction, of sets without a validation part of their own.
    if isinstance(request.validation, int):
        raise InvalidOption(
            "validation: a text has a validation part of its own; --split divides a single file"
        )


def _limited(values: NDArray[np.int64], limit: int | None, length: int) -> NDArray[np.int64]:
    """Return the first `limit` windows of a part."""
    return values if limit is None else values[: limit * length + 1]


def _characters(tokens: Sequence[str]) -> NDArray[np.int64]:
    """Return the number of characters of each word, with the space to the next one of its line."""
    counts = np.array([1 if token == END else len(token) for token in tokens], dtype=np.int64)
    is_end = np.array([token == END for token in tokens])
    counts[:-1] += ~is_end[:-1] & ~is_end[1:]
    return counts


def _digest(vocabulary: Vocabulary, splits: Sequence[TextSplit]) -> str:
    """Return the hexadecimal SHA-256 over the vocabulary and the tokens of each part."""
    total = hashlib.sha256(vocabulary.digest.encode())
    for split in splits:
        tokens = split.tokens.numpy()
        total.update(len(tokens).to_bytes(8, "little"))
        total.update(np.ascontiguousarray(tokens, dtype="<i8").tobytes())
    return total.hexdigest()

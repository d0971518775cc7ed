"""Text files as sequences of tokens."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path

from oneshot.data.errors import InvalidData
from oneshot.data.text.options import TextOptions
from oneshot.data.text.vocabulary import END

PARTS = ("train", "valid", "test")
"""Names of the files of a folder, the layout of the Penn Treebank and WikiText."""

_ENDINGS = (".txt", ".txt.gz", ".tokens", ".tokens.gz")


def read_parts(path: Path, options: TextOptions) -> list[list[str]]:
    """Return the tokens of the training, validation and test part.

    Args:
        path: Folder with a file for each part, or one file, which is split.
        options: Level of the tokens, split and encoding.

    Raises:
        InvalidData: A file is missing, is empty, has too few tokens, or cannot be decoded.
    """
    if path.is_dir():
        files = [_file_of(path, part) for part in PARTS]
        parts = [tokenized(_read(file, options.encoding), options.level) for file in files]
        for file, tokens in zip(files, parts, strict=True):
            _check_length(str(file), tokens)
        return parts

    parts = _split(_read(path, options.encoding), options)
    for name, tokens in zip(("training", "validation", "test"), parts, strict=True):
        _check_length(f"the {name} part of {path}", tokens)
    return parts


def tokenized(text: str, level: str) -> list[str]:
    """Return the tokens of a text.

    Args:
        text: Text of any number of lines.
        level: `words`, which gives each line an `<eos>` at its end, or `characters`, of which the
            end of a line is one.

    Example:
        >>> tokenized("to be\\nor not", "words")
        ['to', 'be', '<eos>', 'or', 'not', '<eos>']
        >>> tokenized("to\\n", "characters")
        ['t', 'o', '\\n']
    """
    if level == "characters":
        return list(text)
    return [token for line in text.splitlines() for token in (*line.split(), END)]


def joined(tokens: Sequence[str], level: str) -> str:
    """Return the text of tokens.

    Args:
        tokens: Tokens, as of `tokenized`.
        level: `words` or `characters`.

    Example:
        >>> joined(["to", "be", "<eos>", "or", "not", "<eos>"], "words")
        'to be\\nor not\\n'
    """
    if level == "characters":
        return "".join(tokens)
    return "\n".join(line.strip(" ") for line in " ".join(tokens).split(END))


def _file_of(folder: Path, part: str) -> Path:
    """Return the file of a part, under any of the endings; WikiText has `wiki.train.tokens`."""
    names = [f"{prefix}{part}{ending}" for prefix in ("", "wiki.") for ending in _ENDINGS]
    for name in names:
        if (folder / name).is_file():
            return folder / name

    raise InvalidData(
        f"{folder} holds no {part}.txt; a folder of text has {', '.join(f'{p}.txt' for p in PARTS)}"
        " (also as .txt.gz), or name one file"
    )


def _read(path: Path, encoding: str) -> str:
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidData(f"cannot read {path}: {error}") from error

    if not content:
        raise InvalidData(f"{path} is empty; a text needs at least 2 tokens")

    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise InvalidData(
            f"{path}: byte {error.start} (0x{error.object[error.start]:02x}) is not"
            f" {encoding}; set the file's encoding, such as --encoding latin-1"
        ) from error

    # Files of all systems become the same tokens.
    return text.replace("\r\n", "\n")


def _split(text: str, options: TextOptions) -> list[list[str]]:
    """Divide a text in its order, words at the ends of lines."""
    units = text.splitlines(keepends=True) if options.level == "words" else list(text)
    first = round(len(units) * options.split[0])
    second = round(len(units) * (options.split[0] + options.split[1]))
    parts = [units[:first], units[first:second], units[second:]]
    return [tokenized("".join(part), options.level) for part in parts]


def _check_length(title: str, tokens: list[str]) -> None:
    # The first token is never predicted.
    if len(tokens) < 2:
        count = f"{len(tokens)} token{'s' * (len(tokens) != 1)}"
        raise InvalidData(f"{title} has {count}; a text needs at least 2 tokens")

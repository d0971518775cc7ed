"""The files that options name, and digests that show whether they have changed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from spaces.files import digest
from tables.store import available

_SEPARATORS = re.compile(r"[@:]")

# Files of a run's folder that later stages read, unlike its checkpoints and curves.
_RUN_FILES = (".json", ".jsonl", ".safetensors")


def named_files(text: str) -> Iterator[Path]:
    """Yield the files in a text such as `predictor:FILE` or `latency_ms<=2@TABLE`.

    A table may be named without its path, as `tables.load` finds it.
    """
    # Options name files after `@` or `:`; which part is a path depends on the option.
    tables = available()
    candidates = {text, *(text[match.end() :].strip() for match in _SEPARATORS.finditer(text))}
    for candidate in sorted(candidates):
        if candidate in tables and "@" in text:
            yield tables[candidate]
        elif _is_file_or_run(candidate):
            yield Path(candidate)


def content_digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of the JSON and safetensors files of a folder.

    It is empty where the path does not exist.
    """
    if path.is_file():
        return digest(path)
    if not path.is_dir():
        return ""

    total = hashlib.sha256()
    for file in sorted(path.iterdir()):
        if file.suffix in _RUN_FILES and file.is_file():
            total.update(f"{file.name} {digest(file)}\n".encode())

    return total.hexdigest()


def _is_file_or_run(text: str) -> bool:
    try:
        path = Path(text)
        return path.is_file() or (path / "run.json").is_file()
    except (OSError, ValueError):
        # Too long for a path, or with a null character.
        return False

"""Catalog: the spaces, tables and predictors that a request may name."""

from __future__ import annotations

import functools
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from service.settings import Settings
from spaces import registry
from spaces.errors import InvalidFile, PathfitError, UnknownName
from spaces.files import digest
from spaces.space import SearchSpace
from tables import store
from tables.cost_model import CostModel
from tables.lookup_table import LookupTable


class ChangedFile(PathfitError):
    """A file is no longer what a search was accepted with."""


@dataclass(frozen=True)
class FileReference:
    """A file with its content's identity, so that a search run later or again uses the same.

    Args:
        name: what a request calls it.
        path: absolute.
        sha256: of the content.
    """

    name: str
    path: str
    sha256: str

    @classmethod
    def of(cls, name: str, path: Path) -> FileReference:
        """The reference of a file as it is now; raises InvalidFile where it cannot be read."""
        return cls(name, str(path.resolve()), digest(path))

    def checked(self) -> Path:
        """The path, if the content is still the same; raises ChangedFile or InvalidFile."""
        if digest(Path(self.path)) != self.sha256:
            raise ChangedFile(f"the file {self.path} of {self.name!r} was changed after this search was accepted")
        return Path(self.path)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return asdict(self)


class Catalog:
    """Looks names up in listings only, so that no name from a request ever becomes a path.

    Args:
        settings: where tables and predictors lie.
    """

    def __init__(self, settings: Settings):
        self._settings = settings

    # Tables

    def tables(self) -> dict[str, Path]:
        """Name -> file of every table."""
        return store.available(self._settings.tables)

    def table(self, name: str) -> tuple[LookupTable, FileReference]:
        """The table of a name with its file; raises UnknownName or InvalidTable."""
        known = self.tables()
        if name not in known:
            raise UnknownName("table", name, known)
        reference = FileReference.of(name, known[name])
        return read_table(reference), reference

    # Predictors

    def predictors(self) -> dict[str, Path]:
        """Name -> file of every predictor; the first folder wins where two hold the same name."""
        found: dict[str, Path] = {}
        for place in self._settings.predictors:
            for path in sorted(place.glob("*.safetensors")) if place.is_dir() else [place]:
                if path.is_file() and path.suffix == ".safetensors":
                    found.setdefault(path.stem, path)
        return found

    def predictor(self, name: str) -> tuple[str, FileReference]:
        """The space and the file of a predictor; raises UnknownName or InvalidFile."""
        known = self.predictors()
        if name not in known:
            raise UnknownName("predictor", name, known)
        return space_of_predictor(known[name]), FileReference.of(name, known[name])

    def predictors_of(self, space: str) -> list[str]:
        """Names of the predictors that score a space; unreadable files are passed over."""
        names = []
        for name, path in self.predictors().items():
            try:
                if space_of_predictor(path) == space:
                    names.append(name)
            except PathfitError:
                continue
        return names

    # Spaces

    def spaces(self) -> list[str]:
        """The registered spaces, and those with other parameters that a predictor was trained on."""
        return sorted({*registry.available(), *self._trained()})

    def space(self, name: str) -> SearchSpace:
        """The space of a name of `spaces()`; raises UnknownName.

        A name with arbitrary parameters is not built: it could ask for a space of any size.
        """
        known = self.spaces()
        if name not in known:
            raise UnknownName("space", name, known)
        return registry.get(name)

    def _trained(self) -> set[str]:
        found = set()
        for path in self.predictors().values():
            try:
                found.add(space_of_predictor(path))
            except PathfitError:
                continue
        return found


def read_table(reference: FileReference) -> LookupTable:
    """The table of a reference, read once as long as its content stays the same; raises InvalidTable."""
    return _table(reference.path, reference.sha256)


@functools.lru_cache(maxsize=16)
def _table(path: str, _sha256: str) -> LookupTable:
    return LookupTable.read(path)


@functools.lru_cache(maxsize=16)
def latency_model(reference: FileReference, space: SearchSpace) -> CostModel:
    """The latency model of a table on a space, fitted once; raises InvalidTable or MissingBlock."""
    return read_table(reference).cost_model(space, "latency_ms")


def space_of_predictor(path: Path) -> str:
    """The space that a predictor's file was trained on, from its header alone; raises InvalidFile."""
    try:
        status = path.stat()
    except OSError as error:
        raise InvalidFile(f"cannot read {path}: {error.strerror}") from error
    return _predictor_space(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=64)
def _predictor_space(path: Path, _modified: int, _size: int) -> str:
    from safetensors import SafetensorError, safe_open

    # Only the header is read: the tensors would need torch, which this process does without.
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InvalidFile(f"{path} is not a predictor's file: {error}") from error
    for head in (metadata, *map(_parsed, metadata.values())):
        if isinstance(head, dict) and isinstance(head.get("space"), str):
            return str(head["space"])
    raise InvalidFile(f"{path} is not a predictor's file: its header names no space")


def _parsed(text: str) -> object:
    try:
        value: object = json.loads(text)
    except json.JSONDecodeError:
        return None
    return value

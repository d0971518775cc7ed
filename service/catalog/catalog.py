"""Catalog: the spaces, tables, guides and data sets that a request may name."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.catalog.supernets import SupernetRun, trained_supernets
from service.settings import Settings
from spaces import registry
from spaces.architecture import Architecture
from spaces.errors import InvalidFile, PathfitError, UnknownName
from spaces.files import digest
from spaces.space import SearchSpace
from tables import store
from tables.cost.model import CostModel
from tables.errors import MissingFigures
from tables.lookup_table import LookupTable
from tables.metrics import MEASURED

if TYPE_CHECKING:
    from service.catalog.uploads import Uploads
    from service.store import FileVersion


class ChangedFile(PathfitError):
    """A file is no longer what a search was accepted with."""


@dataclass(frozen=True)
class FileReference:
    """A file with its content's identity, so that a search run later or again uses the same.

    Args:
        name: what a request calls it.
        path: absolute.
        sha256: of the content.
        artifact: of an upload its path among the artifacts, for machines that do not have `path`.
    """

    name: str
    path: str
    sha256: str
    artifact: str | None = None

    @classmethod
    def from_path(cls, name: str, path: Path, artifact: str | None = None) -> FileReference:
        """The reference of a file as it is now; raises InvalidFile where it cannot be read."""
        return cls(name, str(path.resolve()), digest(path), artifact)

    def checked(self) -> Path:
        """The path, if the content is still the same; raises ChangedFile or InvalidFile."""
        if digest(Path(self.path)) != self.sha256:
            raise ChangedFile(
                f"the file {self.path} of {self.name!r} was changed after this search was accepted"
            )
        return Path(self.path)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return asdict(self)


class Catalog:
    """Looks names up in listings only, so that no name from a request ever becomes a path.

    Args:
        settings: where tables, predictors and supernets lie.
        uploads: what was uploaded; None: nothing.
    """

    def __init__(self, settings: Settings, uploads: Uploads | None = None):
        self._settings, self.uploads = settings, uploads

    # Tables

    def tables(self) -> dict[str, Path]:
        """Name -> file of every table; folders come before uploads where both hold the same
        name.
        """
        return self._with_uploads("table", store.available(self._settings.tables))

    def table(self, name: str) -> tuple[LookupTable, FileReference]:
        """The table of a name with its file; raises UnknownName or InvalidTable."""
        reference = self._reference("table", name, store.available(self._settings.tables))
        return read_table(reference), reference

    def tables_of(self, space: str) -> list[str]:
        """Names of the tables whose networks were of a space; unreadable files are passed over."""
        names = []
        for name in self.tables():
            try:
                if self.table(name)[0].space == space:
                    names.append(name)
            except PathfitError:
                continue
        return names

    # Predictors

    def predictors(self) -> dict[str, Path]:
        """Name -> file of every predictor; the first folder wins where two hold the same name."""
        return self._with_uploads("predictor", self._predictor_files())

    def predictor(self, name: str) -> tuple[str, FileReference]:
        """The space and the file of a predictor; raises UnknownName or InvalidFile."""
        reference = self._reference("predictor", name, self._predictor_files())
        return space_of_predictor(Path(reference.path)), reference

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

    def _predictor_files(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for place in self._settings.predictors:
            for path in sorted(place.glob("*.safetensors")) if place.is_dir() else [place]:
                if path.is_file() and path.suffix == ".safetensors":
                    found.setdefault(path.stem, path)
        return found

    # Supernets

    def supernets(self) -> dict[str, SupernetRun]:
        """Name -> run of every finished training of a supernet."""
        return trained_supernets(self._settings.supernets)

    def supernet(self, name: str) -> tuple[SupernetRun, FileReference]:
        """A supernet's run and its weights' file; raises UnknownName or InvalidFile."""
        known = self.supernets()
        if name not in known:
            raise UnknownName("supernet", name, known)
        return known[name], FileReference.from_path(name, known[name].weights)

    # Evaluations and data sets

    def evaluations(self, name: str) -> FileReference:
        """The file of uploaded evaluations; raises UnknownName."""
        return self._reference("evaluations", name, {})

    def data_set(self, name: str) -> str:
        """What `--data` of the command line calls a data set; raises UnknownName."""
        known = self._settings.data_sets
        if name not in known:
            raise UnknownName("data set", name, sorted(known))
        return known[name]

    def data_sets(self) -> list[str]:
        """The data sets that a retraining may name."""
        return sorted(self._settings.data_sets)

    # Files

    def get_local_file(self, kind: str, name: str) -> FileReference | None:
        """The file of a name in the service's own folders, uploads apart."""
        own = {
            "table": lambda: store.available(self._settings.tables),
            "predictor": self._predictor_files,
        }
        path = own[kind]().get(name) if kind in own else None
        return None if path is None else FileReference.from_path(name, path)

    def _with_uploads(self, kind: str, own: dict[str, Path]) -> dict[str, Path]:
        for name, version in self.uploaded(kind).items():
            if self.uploads is not None:
                own.setdefault(name, self.uploads.path(version))
        return own

    def _reference(self, kind: str, name: str, own: dict[str, Path]) -> FileReference:
        if name in own:
            return FileReference.from_path(name, own[name])
        uploaded = self.uploaded(kind)
        if name not in uploaded or self.uploads is None:
            raise UnknownName(kind, name, sorted({*own, *uploaded}))
        version = uploaded[name]
        return FileReference(
            name, str(self.uploads.path(version).resolve()), version.sha256, version.artifact
        )

    def uploaded(self, kind: str) -> dict[str, FileVersion]:
        """Name -> newest version of what was uploaded of a kind."""
        return {} if self.uploads is None else self.uploads.latest(kind)

    # Spaces

    def spaces(self) -> list[str]:
        """The registered spaces, and those with other parameters that a predictor or a supernet was
        trained on.
        """
        return sorted(
            {
                *registry.available(),
                *self._trained(),
                *(run.space for run in self.supernets().values()),
            }
        )

    def space(self, name: str) -> SearchSpace:
        """The space of a name of `spaces()`; raises UnknownName.

        A name with arbitrary parameters is not built: it could ask for a space of any size.
        """
        known = self.spaces()
        if name not in known:
            raise UnknownName("space", name, known)
        return registry.get(name)

    def architecture(self, value: object) -> Architecture:
        """The architecture of a JSON object, of a space that there is; raises PathfitError."""
        if isinstance(value, Mapping) and isinstance(value.get("space"), str):
            self.space(value["space"])
        return Architecture.from_dict(value)

    def _trained(self) -> set[str]:
        found = set()
        for path in self.predictors().values():
            try:
                found.add(space_of_predictor(path))
            except PathfitError:
                continue
        return found


def read_table(reference: FileReference) -> LookupTable:
    """The table of a reference, read once as long as its content stays the same; raises
    InvalidTable.
    """
    return _table(reference.path, reference.sha256)


@functools.lru_cache(maxsize=16)
def _table(path: str, _sha256: str) -> LookupTable:
    return LookupTable.read(path)


@functools.lru_cache(maxsize=32)
def device_model(
    reference: FileReference, space: SearchSpace, metric: str = "latency_ms"
) -> CostModel:
    """The cost model of a table on a space, fitted once; raises InvalidTable, MissingBlock or
    MissingFigures.
    """
    return read_table(reference).cost_model(space, metric)


def device_models(reference: FileReference, space: SearchSpace) -> dict[str, CostModel]:
    """Metric -> cost model of all that a table tells of a space; raises InvalidTable or
    MissingBlock.
    """
    found: dict[str, CostModel] = {}
    for metric in MEASURED:
        with suppress(MissingFigures):
            found[metric] = device_model(reference, space, metric)
    return found


def space_of_predictor(path: Path) -> str:
    """The space that a predictor's file was trained on, from its header alone; raises
    InvalidFile.
    """
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

"""The catalog: spaces, tables, guides and data sets that a request may name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from service.catalog.files import FileReference, read_table, space_of_predictor
from service.catalog.supernets import SupernetRun, trained_supernets
from service.settings import Settings
from spaces import registry
from spaces.architecture import Architecture
from spaces.errors import PathfitError, UnknownName
from spaces.space import SearchSpace
from tables import store
from tables.lookup_table import LookupTable

if TYPE_CHECKING:
    from service.catalog.uploads import Uploads
    from service.store import FileVersion


class Catalog:
    """Resolves the names of requests.

    Names are looked up in listings only, so that no name of a request ever becomes a path.

    Args:
        settings: Folders of tables, predictors and supernets, and the data sets.
        uploads: Uploaded files. None for none.
    """

    def __init__(self, settings: Settings, uploads: Uploads | None = None):
        self._settings = settings
        self.uploads = uploads

    # Tables

    def tables(self) -> dict[str, Path]:
        """Map the names of tables to files; folders precede uploads of the same name."""
        return self._with_uploads("table", store.available(self._settings.tables))

    def table(self, name: str) -> tuple[LookupTable, FileReference]:
        """Read a table; raises UnknownName or InvalidTable."""
        reference = self._reference("table", name, store.available(self._settings.tables))
        return read_table(reference), reference

    def tables_of(self, space: str) -> list[str]:
        """List the tables of a space, without unreadable files."""
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
        """Map the names of predictors to files; the first folder with a name precedes."""
        return self._with_uploads("predictor", self._predictor_files())

    def predictor(self, name: str) -> tuple[str, FileReference]:
        """Return the space and the file of a predictor; raises UnknownName or InvalidFile."""
        reference = self._reference("predictor", name, self._predictor_files())
        return space_of_predictor(Path(reference.path)), reference

    def predictors_of(self, space: str) -> list[str]:
        """List the predictors of a space, without unreadable files."""
        names = []
        for name, path in self.predictors().items():
            try:
                if space_of_predictor(path) == space:
                    names.append(name)
            except PathfitError:
                continue

        return names

    def _predictor_files(self) -> dict[str, Path]:
        files: dict[str, Path] = {}
        for location in self._settings.predictors:
            paths = sorted(location.glob("*.safetensors")) if location.is_dir() else [location]
            for path in paths:
                if path.is_file() and path.suffix == ".safetensors":
                    files.setdefault(path.stem, path)

        return files

    # Supernets

    def supernets(self) -> dict[str, SupernetRun]:
        """Map names to the runs of trained supernets."""
        return trained_supernets(self._settings.supernets)

    def supernet(self, name: str) -> tuple[SupernetRun, FileReference]:
        """Return a supernet's run and its weights; raises UnknownName or InvalidFile."""
        runs = self.supernets()
        if name not in runs:
            raise UnknownName("supernet", name, runs)
        return runs[name], FileReference.from_path(name, runs[name].weights)

    # Evaluations and data sets

    def evaluations(self, name: str) -> FileReference:
        """Return the file of uploaded evaluations; raises UnknownName."""
        return self._reference("evaluations", name, {})

    def data_set(self, name: str) -> str:
        """Return a data set as `--data` of the command line takes it; raises UnknownName."""
        data_sets = self._settings.data_sets
        if name not in data_sets:
            raise UnknownName("data set", name, sorted(data_sets))
        return data_sets[name]

    def data_sets(self) -> list[str]:
        """List the data sets that a retraining may name."""
        return sorted(self._settings.data_sets)

    # Files

    def get_local_file(self, kind: str, name: str) -> FileReference | None:
        """Return the file of a name in the service's own folders, not among uploads; or None."""
        local_files = {
            "table": lambda: store.available(self._settings.tables),
            "predictor": self._predictor_files,
        }
        path = local_files[kind]().get(name) if kind in local_files else None
        return None if path is None else FileReference.from_path(name, path)

    def _with_uploads(self, kind: str, local_files: dict[str, Path]) -> dict[str, Path]:
        files = dict(local_files)
        for name, version in self.uploaded(kind).items():
            if self.uploads is not None:
                files.setdefault(name, self.uploads.path(version))
        return files

    def _reference(self, kind: str, name: str, local_files: dict[str, Path]) -> FileReference:
        if name in local_files:
            return FileReference.from_path(name, local_files[name])

        uploaded = self.uploaded(kind)
        if name not in uploaded or self.uploads is None:
            raise UnknownName(kind, name, sorted({*local_files, *uploaded}))

        version = uploaded[name]

        return FileReference(
            name, str(self.uploads.path(version).resolve()), version.sha256, version.artifact
        )

    def uploaded(self, kind: str) -> dict[str, FileVersion]:
        """Map the names of a kind's uploads to their newest versions."""
        return {} if self.uploads is None else self.uploads.latest(kind)

    # Spaces

    def spaces(self) -> list[str]:
        """List the registered spaces, and those that predictors and supernets were trained on."""
        return sorted(
            {
                *registry.available(),
                *self._predictor_spaces(),
                *(run.space for run in self.supernets().values()),
            }
        )

    def space(self, name: str) -> SearchSpace:
        """Return a space of `spaces()`; raises UnknownName.

        Other names are refused, as their parameters could describe a space of any size.
        """
        names = self.spaces()
        if name not in names:
            raise UnknownName("space", name, names)
        return registry.get(name)

    def architecture(self, value: object) -> Architecture:
        """Read the JSON object of an architecture of a known space; raises PathfitError."""
        if isinstance(value, Mapping) and isinstance(value.get("space"), str):
            self.space(value["space"])
        return Architecture.from_dict(value)

    def _predictor_spaces(self) -> set[str]:
        spaces = set()
        for path in self.predictors().values():
            try:
                spaces.add(space_of_predictor(path))
            except PathfitError:
                continue

        return spaces

"""The catalog: spaces, tables, guides and data sets that a request may name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from service.catalog.files import FileReference, read_table, space_of_predictor
from service.catalog.library_files import CatalogFile, LibraryFiles
from service.catalog.names import SHARED, Library, Names, Sender
from service.catalog.summaries import summary_of_local
from service.catalog.supernets import SupernetRun, trained_supernets
from service.jobs import JsonObject
from service.settings import Settings
from service.store.files import SHARED_LIBRARY, FileVersion
from spaces import registry
from spaces.architecture import Architecture
from spaces.errors import PathfitError, UnknownName
from spaces.space import SearchSpace
from tables import store
from tables.lookup_table import LookupTable

if TYPE_CHECKING:
    from service.catalog.uploads import Uploads


@dataclass(frozen=True)
class NamedFile:
    """A file that the sender of a request may name.

    Args:
        name: Shortest name that means the file for the sender.
        owner: Name of the owner of its library; None without tokens.
        file: The file.
    """

    name: str
    owner: str | None
    file: CatalogFile


class Catalog:
    """Resolves the names of the requests of one sender.

    Names are looked up in listings only, so that no name of a request ever becomes a path.

    Args:
        settings: Folders of tables, predictors and supernets, and the data sets.
        uploads: Uploaded files. None for none.
        sender: Sender of the requests. None for the only one of a service without tokens, who uses
            the shared library.
    """

    def __init__(
        self, settings: Settings, uploads: Uploads | None = None, sender: Sender | None = None
    ):
        self._settings = settings
        self._sender = sender or Sender()
        self.uploads = uploads

    # Lists

    def page(self, kind: str, limit: int, offset: int = 0) -> tuple[list[NamedFile], int]:
        """List a part of the files of a kind; in the shared library folders precede uploads.

        Args:
            kind: Kind of the files, such as "table".
            limit: Number of files at most.
            offset: Number of files to skip.

        Returns:
            The files, and the number of all.
        """
        entries = list(self._names(kind).entries())
        return self._named_files(entries[offset : offset + limit]), len(entries)

    def describe(self, kind: str, entries: Sequence[NamedFile]) -> list[JsonObject]:
        """Return what lists show of the content of files; of an unusable one its `error`."""
        uploaded = [entry.file for entry in entries if isinstance(entry.file, FileVersion)]
        stored: dict[int, JsonObject] = {}
        if uploaded and self.uploads is not None:
            stored = self.uploads.summaries(kind, uploaded)

        return [
            {**stored.get(entry.file.id, {}), "sha256": entry.file.sha256}
            if isinstance(entry.file, FileVersion)
            else _describe_local(kind, entry.file)
            for entry in entries
        ]

    # Tables

    def tables(self) -> Iterator[NamedFile]:
        """Iterate over the tables; in the shared library folders precede uploads."""
        return self._entries("table")

    def table(self, name: str) -> tuple[LookupTable, FileReference]:
        """Read a table; raises UnknownName, AmbiguousName or InvalidTable."""
        reference = self._reference("table", name)
        return read_table(reference), reference

    def tables_of(self, space: str) -> list[str]:
        """List the tables of a space that a search without a device chooses from."""
        return self._default_names("table", space)

    def read_table(self, entry: NamedFile) -> LookupTable:
        """Read the table of an entry; raises InvalidTable."""
        return read_table(self.pin(entry))

    # Predictors

    def predictors(self) -> Iterator[NamedFile]:
        """Iterate over the predictors; the first folder with a name precedes."""
        return self._entries("predictor")

    def predictor(self, name: str) -> tuple[str, FileReference]:
        """Return the space and the file of a predictor.

        Raises:
            UnknownName: There is none of that name.
            AmbiguousName: Several owners have one of that name.
            InvalidFile: The file is no predictor's.
        """
        reference = self._reference("predictor", name)
        return space_of_predictor(Path(reference.path)), reference

    def predictors_of(self, space: str) -> list[str]:
        """List the predictors of a space that a search without a guide chooses from."""
        return self._default_names("predictor", space)

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
        """Return the file of uploaded evaluations; raises UnknownName or AmbiguousName."""
        return self._reference("evaluations", name)

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
        path = self._local_files(kind).get(name)
        return None if path is None else FileReference.from_path(name, path)

    @property
    def sender(self) -> Sender:
        """Sender of the requests whose names are resolved."""
        return self._sender

    def is_hidden(self, kind: str, name: str, library: str) -> bool:
        """Return whether a file in a folder of the service would hide an upload."""
        # Only in the shared library, as a sender's own files precede those of the folders.
        return library == SHARED_LIBRARY and name in self._local_files(kind)

    def library_of(self, kind: str, name: str) -> tuple[Library[CatalogFile], str]:
        """Return the library of a file, and its plain name there.

        Raises:
            UnknownName: There is none of that name.
            AmbiguousName: Several owners have one of that name.
        """
        return self._names(kind).find(name)

    def pin(self, entry: NamedFile) -> FileReference:
        """Pin the file of an entry to its content; raises InvalidFile or ArtifactFailed."""
        return self._pin(entry.name, entry.file)

    def _pin(self, name: str, file: CatalogFile) -> FileReference:
        if isinstance(file, Path):
            return FileReference.from_path(name, file)
        return FileReference(name, str(self._path(file).resolve()), file.sha256, file.artifact)

    def _path(self, file: CatalogFile) -> Path:
        if isinstance(file, Path):
            return file
        assert self.uploads is not None
        return self.uploads.path(file)

    def _reference(self, kind: str, name: str) -> FileReference:
        names = self._names(kind)
        library, plain = names.find(name)
        return self._pin(names.qualify(library, plain), library.files[plain])

    def _entries(self, kind: str) -> Iterator[NamedFile]:
        return iter(self._named_files(list(self._names(kind).entries())))

    def _named_files(
        self, entries: Sequence[tuple[str, Library[CatalogFile], str]]
    ) -> list[NamedFile]:
        plain_names: dict[str, list[str]] = {}
        for _, library, plain in entries:
            plain_names.setdefault(library.id, []).append(plain)

        # All files of a library by one query.
        libraries = {library.id: library for _, library, _ in entries}
        for library_id, library in libraries.items():
            if isinstance(library.files, LibraryFiles):
                library.files.load(plain_names[library_id])

        has_owners = self._sender.name is not None
        return [
            NamedFile(name, library.owner if has_owners else None, library.files[plain])
            for name, library, plain in entries
        ]

    def _default_names(self, kind: str, space: str) -> list[str]:
        """List the files of a space; the only one of the sender's own library, if it has one."""
        names = self._names(kind)
        matching: list[str] = []
        for library in names.preferred():
            plain_names = self._names_of_space(kind, library.id, space)
            shortest = [names.shorten(library, plain) for plain in plain_names]
            if len(shortest) == 1 and not matching:
                return shortest
            matching += shortest

        return matching

    def _names_of_space(self, kind: str, library: str, space: str) -> list[str]:
        """List the plain names of the files of a library that are of a space."""
        local = self._local_files(kind) if library == SHARED_LIBRARY else {}
        names = [
            name
            for name, path in local.items()
            if _describe_local(kind, path).get("space") == space
        ]
        if self.uploads is not None:
            uploaded = self.uploads.names_of(kind, library, space)
            names += [name for name in uploaded if name not in local]
        return names

    def _names(self, kind: str) -> Names[CatalogFile]:
        sender = self._sender
        shared = Library(SHARED_LIBRARY, SHARED, self._library_files(kind, SHARED_LIBRARY))
        if sender.name is None:
            return Names(kind, shared)

        own = Library(sender.library, sender.name, self._library_files(kind, sender.library))

        return Names(kind, shared, own, self._other_libraries(kind))

    def _library_files(self, kind: str, library: str) -> Mapping[str, CatalogFile]:
        local = self._local_files(kind) if library == SHARED_LIBRARY else {}
        if self.uploads is None:
            return local
        return self.uploads.in_library(kind, library, local)

    def _other_libraries(self, kind: str) -> list[Library[CatalogFile]]:
        # Only an administrator may use other libraries.
        if self.uploads is None or self._sender.libraries is not None:
            return []
        others = set(self.uploads.libraries(kind)) - {SHARED_LIBRARY, self._sender.library}
        labels = self.uploads.owners() if others else {}
        return [
            Library(library, labels.get(library, library), self._library_files(kind, library))
            for library in sorted(others)
        ]

    def _local_files(self, kind: str) -> Mapping[str, Path]:
        if kind == "table":
            return store.available(self._settings.tables)
        return self._predictor_files() if kind == "predictor" else {}

    # Spaces

    def spaces(self) -> list[str]:
        """List the registered spaces, those of the settings, and those of trained files."""
        return sorted(
            {
                *registry.available(),
                *self._settings.spaces,
                *self._predictor_spaces(),
                *(run.space for run in self.supernets().values()),
            }
        )

    def space(self, name: str) -> SearchSpace:
        """Return a space of `spaces()`; raises UnknownName.

        Other names are refused, as their parameters could describe a space of any size.
        """
        # The registered ones first: the others are found by looking at files.
        if name not in registry.available():
            names = self.spaces()
            if not any(registry.same_name(name, listed) for listed in names):
                raise UnknownName("space", name, names)
        return registry.get(name)

    def architecture(self, value: object) -> Architecture:
        """Read the JSON object of an architecture of a known space; raises PathfitError."""
        if isinstance(value, Mapping) and isinstance(value.get("space"), str):
            self.space(value["space"])
        return Architecture.from_dict(value)

    def _predictor_spaces(self) -> set[str]:
        summaries = [
            _describe_local("predictor", path) for path in self._predictor_files().values()
        ]
        spaces = {summary["space"] for summary in summaries if "space" in summary}
        if self.uploads is not None:
            spaces |= self.uploads.spaces("predictor", self._sender.libraries)
        return spaces


def _describe_local(kind: str, path: Path) -> JsonObject:
    try:
        return summary_of_local(kind, path)
    except PathfitError as error:
        return {"error": str(error)}

"""The files of a library by their plain names, read when they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from service.store import FileVersion
from service.store.files import Files

CatalogFile = Path | FileVersion
"""A file in a folder of the service, or the newest version of an upload."""


class LibraryFiles(Mapping[str, CatalogFile]):
    """The files of one kind in a library.

    Args:
        local: Name -> file in a folder of the service, which precedes an upload of the name.
        files: Uploaded files.
        kind: Kind of the files, such as "table".
        library: Id of the library.
    """

    def __init__(self, local: Mapping[str, Path], files: Files, kind: str, library: str):
        self._local = local
        self._files = files
        self._kind = kind
        self._library = library
        self._looked_up: dict[str, FileVersion | None] = {}

    def __getitem__(self, name: str) -> CatalogFile:
        if name in self._local:
            return self._local[name]

        # One query for each name: a library can have thousands.
        if name not in self._looked_up:
            self._looked_up[name] = self._files.latest(self._kind, name, self._library)
        version = self._looked_up[name]
        if version is None:
            raise KeyError(name)
        return version

    def __iter__(self) -> Iterator[str]:
        uploaded = self._files.names(self._kind, self._library)
        return iter(dict.fromkeys([*self._local, *uploaded]))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def load(self, names: Sequence[str]) -> None:
        """Read the files of several names by one query."""
        missing = [name for name in names if name not in self._local]
        versions = self._files.find(self._kind, self._library, missing) if missing else []
        self._looked_up |= {version.name: version for version in versions}

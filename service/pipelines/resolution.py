"""The names in a request's pipeline, resolved to files of the catalog; paths are refused."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import click

from oneshot.pipeline.document import Document, Entry, Value
from oneshot.pipeline.faults import Fault
from oneshot.pipeline.joining import GUIDE_KEYS
from oneshot.pipeline.kinds import PLUGINS, STAGES, StageKind
from oneshot.pipeline.options import StageOptions, is_output, key_of
from service.catalog.catalog import Catalog
from service.pipelines.catalog_names import SHORT_TRAININGS, CatalogNames, InputFile
from service.pipelines.keys import REFUSED, is_plain
from spaces.errors import PathfitError

_NO_PATHS = "a pipeline of a service names no paths"

_MEASURING = ("profile", "proxies", "measure")


@dataclass(frozen=True)
class ResolvedPipeline:
    """A pipeline whose names are paths.

    Args:
        document: The pipeline, with the faults of its names.
        files: Files that its names refer to.
    """

    document: Document
    files: tuple[InputFile, ...]


def resolve(document: Document, catalog: Catalog) -> ResolvedPipeline:
    """Resolve the names of a pipeline: spaces, data sets, tables, evaluations, guides.

    A value at fault is left out of the result, so that the checks which follow do not report it
    again.

    Args:
        document: The pipeline as it was sent.
        catalog: Everything that the sender may name.
    """
    return _Resolver(document, catalog).resolve()


class _Resolver:
    """Resolves the values of one pipeline, and collects faults and files."""

    def __init__(self, document: Document, catalog: Catalog):
        self.document = document
        self.faults = list(document.faults)
        self.names = CatalogNames(document, catalog)

    def resolve(self) -> ResolvedPipeline:
        entries = {}
        for entry in self.document.entries.values():
            resolved = self._entry(entry)
            if resolved is not None:
                entries[entry.key] = resolved
        document = Document(self.document.path, entries, self.faults)
        return ResolvedPipeline(document, tuple(self.names.files.values()))

    def _entry(self, entry: Entry) -> Entry | None:
        if entry.key == PLUGINS:
            message = "a pipeline of a service loads no files; its operator loads plug-ins"
            self.faults.append(Fault(entry.key, message, entry.line))
            return None
        kind = STAGES.get(entry.key)
        if kind is None:
            return self._value(entry, entry.key, self.names.by_key.get(entry.key))
        if isinstance(entry.value, str):
            return self._replacement(kind, entry)
        if isinstance(entry.value, list):
            return entry
        return Entry(entry.key, self._options(kind, entry.value or {}), entry.line)

    def _replacement(self, kind: StageKind, entry: Entry) -> Entry:
        """Resolve the name that takes the place of a stage."""
        name = str(entry.value)
        if kind.name in self.names.by_stage:
            resolved = self._value(entry, entry.key, self.names.by_stage[kind.name])
            if resolved is not None:
                return resolved
        else:
            message = f"no name of the service can take the place of this stage; {_NO_PATHS}"
            self.faults.append(Fault(entry.key, f"{message}, not {name!r:.80}", entry.line))

        # A file or an empty stage in its place, so that later stages are not reported to lack it.
        replacement: Value = {}
        if kind.name in ("train", "evaluate", "proxies", "predict"):
            replacement = os.devnull
        return Entry(entry.key, replacement, entry.line)

    def _options(self, kind: StageKind, entries: Mapping[str, Entry]) -> dict[str, Entry]:
        options = StageOptions(kind)
        resolved = {}
        for entry in entries.values():
            option = options.find(entry.key)
            # An unknown option is reported with near misses by the checks that follow.
            value = entry if option is None else self._option(kind, option, entry)
            if value is not None:
                resolved[entry.key] = value
        # These commands take every core by default, while a job has one unless it asks for more.
        if kind.name in _MEASURING and "threads" not in entries:
            resolved["threads"] = Entry("threads", "1")
        values = {key.replace("_", "-"): str(entry.value) for key, entry in resolved.items()}
        guides = [values[key] for key in GUIDE_KEYS if key in values]
        if any(guide.startswith(SHORT_TRAININGS) for guide in guides):
            resolved["workers"] = Entry("workers", "1")
        return resolved

    def _option(self, kind: StageKind, option: click.Option, entry: Entry) -> Entry | None:
        name = key_of(option)
        key = f"{kind.name}.{entry.key}"
        reason = REFUSED.get(name)
        if is_output(option):
            reason = "the service decides where files are written; fetch them from the job"
        if reason is not None:
            self.faults.append(Fault(key, reason, entry.line))
            return None

        function = self.names.by_key.get(name)
        if kind.name == "predict" and name == "data":
            function = self.names.evaluations
        if function is None and not is_plain(name, option):
            message = f"{_NO_PATHS} or addresses; remove the key"
            self.faults.append(Fault(key, message, entry.line))
            return None
        return self._value(entry, key, function)

    def _value(self, entry: Entry, key: str, function: Callable[[str], str] | None) -> Entry | None:
        """Apply a function to the texts of a value; None where it raises."""
        if function is None:
            return entry
        value: Value = entry.value
        try:
            if isinstance(value, str):
                value = function(value)
            elif isinstance(value, list):
                value = [function(item) if isinstance(item, str) else item for item in value]
        except PathfitError as error:
            self.faults.append(Fault(key, str(error), entry.line))
            return None
        return Entry(entry.key, value, entry.line)

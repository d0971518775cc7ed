"""The names in a request's pipeline, resolved to files of the catalog; paths are refused."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from oneshot.pipeline.document import Document, Entry, Value
from oneshot.pipeline.faults import Fault
from oneshot.pipeline.kinds import PLUGINS, STAGES, StageKind
from oneshot.pipeline.options import StageOptions, is_output, key_of
from service.catalog.catalog import Catalog
from service.catalog.files import FileReference
from service.pipelines.keys import REFUSED, is_plain
from spaces.errors import PathfitError, UnknownName

_NO_PATHS = "a pipeline of a service names no paths"

_MEASURING = ("profile", "measure")

# Guide of a search that by default takes every core.
_SHORT_TRAININGS = "train:"


@dataclass(frozen=True)
class InputFile:
    """A file of the catalog that a pipeline reads.

    Args:
        reference: The file, pinned by its content.
        path: Path as it is in the resolved pipeline: that of the file, or of a supernet's folder.
        link: Path below an attempt's folder by which the stages read it.
    """

    reference: FileReference
    path: str
    link: str


@dataclass(frozen=True)
class ResolvedPipeline:
    """A pipeline whose names are paths.

    Args:
        document: The pipeline, with the faults of its names.
        files: Files that its names stand for.
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
        self.catalog = catalog
        self.faults = list(document.faults)
        self.files: dict[str, InputFile] = {}
        self._by_key: Mapping[str, Callable[[str], str]] = {
            "space": self._space,
            "data": catalog.data_set,
            "constraint": self._with_table,
            "objective": self._with_table,
            "target": self._with_table,
            "table": self._table,
            "guide": self._guide,
            "init-from-supernet": self._supernet,
            "arch": self._published,
            "columns": self._columns,
            "transfer": self._predictor,
            "truth": self._evaluations,
        }

    def resolve(self) -> ResolvedPipeline:
        entries = {}
        for entry in self.document.entries.values():
            resolved = self._entry(entry)
            if resolved is not None:
                entries[entry.key] = resolved
        document = Document(self.document.path, entries, self.faults)
        return ResolvedPipeline(document, tuple(self.files.values()))

    def _entry(self, entry: Entry) -> Entry | None:
        if entry.key == PLUGINS:
            message = "a pipeline of a service loads no files; its operator loads plug-ins"
            self.faults.append(Fault(entry.key, message, entry.line))
            return None
        kind = STAGES.get(entry.key)
        if kind is None:
            return self._value(entry, entry.key, self._by_key.get(entry.key))
        if isinstance(entry.value, str):
            return self._replacement(kind, entry)
        if isinstance(entry.value, list):
            return entry
        return Entry(entry.key, self._options(kind, entry.value or {}), entry.line)

    def _replacement(self, kind: StageKind, entry: Entry) -> Entry:
        """Resolve the name that takes the place of a stage."""
        by_stage: Mapping[str, Callable[[str], str]] = {
            "profile": self._table,
            "train": self._supernet,
            "evaluate": self._evaluations,
            "predict": self._predictor,
        }
        name = str(entry.value)
        if kind.name in by_stage:
            resolved = self._value(entry, entry.key, by_stage[kind.name])
            if resolved is not None:
                return resolved
        else:
            message = f"no name of the service can take the place of this stage; {_NO_PATHS}"
            self.faults.append(Fault(entry.key, f"{message}, not {name!r:.80}", entry.line))

        # Something in its place, so that later stages are not reported to lack it.
        stands_in: Value = {}
        if kind.name in ("train", "evaluate", "predict"):
            stands_in = os.devnull
        return Entry(entry.key, stands_in, entry.line)

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
        guide = resolved.get("guide")
        if guide is not None and str(guide.value).startswith(_SHORT_TRAININGS):
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

        function = self._by_key.get(name)
        if kind.name == "predict" and name == "data":
            function = self._evaluations
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

    # Names of each kind

    def _space(self, name: str) -> str:
        return self.catalog.space(name).name

    def _table(self, name: str) -> str:
        return name if _is_stage(name) else self._file(self.catalog.table(name)[1], "table")

    def _with_table(self, text: str) -> str:
        """Resolve the table of a cost such as `latency_ms<=12@TABLE`."""
        before, at, name = text.partition("@")
        if not at or _is_stage(f"@{name}"):
            return text
        try:
            return f"{before}@{self._table(name.strip())}"
        except UnknownName:
            if name.strip() in self._benchmark_devices():
                return text
            raise

    def _benchmark_devices(self) -> frozenset[str]:
        """Return the devices of the benchmarks of the pipeline's space."""
        from tables.devices import benchmark_devices

        entry = self.document.entries.get("space")
        if entry is None or not isinstance(entry.value, str):
            return frozenset()
        try:
            return frozenset(benchmark_devices(self.catalog.space(entry.value)))
        except PathfitError:
            return frozenset()

    def _evaluations(self, name: str) -> str:
        return (
            name if _is_stage(name) else self._file(self.catalog.evaluations(name), "evaluations")
        )

    def _predictor(self, name: str) -> str:
        return self._file(self.catalog.predictor(name)[1], "predictor")

    def _supernet(self, name: str) -> str:
        if _is_stage(name):
            return name
        weights = self.catalog.supernet(name)[1]
        # Commands take a run's folder, whose other files belong to the weights.
        return self._file(weights, "supernet", str(Path(weights.path).parent))

    def _guide(self, text: str) -> str:
        kind, colon, name = text.partition(":")
        if not colon or _is_stage(name) or kind == "benchmark":
            return text
        if kind == "predictor":
            return f"{kind}:{self._predictor(name)}"
        if kind == "supernet":
            return f"{kind}:{self._supernet(name)}"
        if text.startswith(_SHORT_TRAININGS):
            return f"{kind}:{self._data_or_supernet(name)}"
        raise UnknownName("kind of guide", kind, ("predictor", "supernet", "benchmark", "train"))

    def _data_or_supernet(self, name: str) -> str:
        """Resolve what short trainings begin with: a data set, or else a supernet's weights."""
        if name in self.catalog.data_sets():
            return self.catalog.data_set(name)
        return self._supernet(name)

    def _columns(self, text: str) -> str:
        """Resolve evaluations, which the name of a metric may follow."""
        # A name has no colon, so that the first one is that of the metric.
        name, colon, metric = text.partition(":")
        return f"{self._evaluations(name)}{colon}{metric}"

    def _published(self, name: str) -> str:
        from spaces.zoo.publications import published_names

        if not _is_stage(name) and name not in published_names():
            raise UnknownName("published network", name, published_names())
        return name

    def _file(self, reference: FileReference, kind: str, path: str | None = None) -> str:
        """Note a file that the pipeline reads, and return its path."""
        path = path or reference.path
        suffix = {"table": ".json", "evaluations": ".jsonl", "predictor": ".safetensors"}
        if path not in self.files:
            link = f"inputs/{kind}-{len(self.files)}{suffix.get(kind, '')}"
            self.files[path] = InputFile(reference, path, link)
        return path


def _is_stage(text: str) -> bool:
    """Return whether a text such as `@profile` refers to a stage."""
    return text.startswith("@") and text[1:].strip() in STAGES

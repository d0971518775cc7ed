"""The names in a pipeline by the kind of the catalog that they are looked up in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from oneshot.pipeline.document import Document
from oneshot.pipeline.kinds import STAGES
from service.admission.guides import PREDICTOR_KINDS
from service.catalog.catalog import Catalog
from service.catalog.files import FileReference
from spaces.errors import PathfitError, UnknownName

SHORT_TRAININGS = "train:"
"""First part of the text of a guide that trains candidates, by default on every core."""

_SUFFIXES = {"table": ".json", "evaluations": ".jsonl", "predictor": ".safetensors"}


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


class CatalogNames:
    """Resolves the names of one pipeline, and collects the files that they name.

    Args:
        document: The pipeline, whose space decides which devices of benchmarks exist.
        catalog: Everything that the sender may name.

    Attributes:
        files: Path -> file, for each name that was resolved.
        by_key: Key of an option -> function from its text to one with a path.
        by_stage: Stage -> function from the name in its place to a path.
    """

    def __init__(self, document: Document, catalog: Catalog):
        self._document = document
        self._catalog = catalog
        self.files: dict[str, InputFile] = {}
        self.by_key: Mapping[str, Callable[[str], str]] = {
            "space": self._space,
            "data": catalog.data_set,
            "constraint": self._with_table,
            "objective": self._with_table,
            "target": self._with_table,
            "charge": self._with_table,
            "table": self._table,
            "guide": self._guide,
            "final-guide": self._guide,
            "init-from-supernet": self._supernet,
            "arch": self._published,
            "columns": self._columns,
            "transfer": self._predictor,
            "truth": self.evaluations,
        }
        self.by_stage: Mapping[str, Callable[[str], str]] = {
            "profile": self._table,
            "train": self._supernet,
            "evaluate": self.evaluations,
            "proxies": self.evaluations,
            "predict": self._predictor,
        }

    def _space(self, name: str) -> str:
        return self._catalog.space(name).name

    def _table(self, name: str) -> str:
        return name if _is_stage(name) else self._file(self._catalog.table(name)[1], "table")

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

        entry = self._document.entries.get("space")
        if entry is None or not isinstance(entry.value, str):
            return frozenset()
        try:
            return frozenset(benchmark_devices(self._catalog.space(entry.value)))
        except PathfitError:
            return frozenset()

    def evaluations(self, name: str) -> str:
        """Return the path of evaluations; a reference to a stage remains as it is."""
        return (
            name if _is_stage(name) else self._file(self._catalog.evaluations(name), "evaluations")
        )

    def _predictor(self, name: str) -> str:
        return self._file(self._catalog.predictor(name)[1], "predictor")

    def _supernet(self, name: str) -> str:
        if _is_stage(name):
            return name
        weights = self._catalog.supernet(name)[1]
        # Commands take a run's folder, whose other files belong to the weights.
        return self._file(weights, "supernet", str(Path(weights.path).parent))

    def _guide(self, text: str) -> str:
        kind, colon, name = text.partition(":")
        if not colon or _is_stage(name) or kind == "benchmark":
            return text
        if kind in PREDICTOR_KINDS:
            return f"{kind}:{self._predictor(name)}"
        if kind == "supernet":
            return f"{kind}:{self._supernet(name)}"
        if text.startswith(SHORT_TRAININGS):
            return f"{kind}:{self._data_or_supernet(name)}"
        raise UnknownName(
            "kind of guide", kind, (*PREDICTOR_KINDS, "supernet", "benchmark", "train")
        )

    def _data_or_supernet(self, name: str) -> str:
        """Resolve the beginning of short trainings: a data set, or else a supernet's weights."""
        if name in self._catalog.data_sets():
            return self._catalog.data_set(name)
        return self._supernet(name)

    def _columns(self, text: str) -> str:
        """Resolve evaluations, which the name of a metric may follow."""
        # A name has no colon, so that the first one is that of the metric.
        name, colon, metric = text.partition(":")
        return f"{self.evaluations(name)}{colon}{metric}"

    def _published(self, name: str) -> str:
        from spaces.zoo.publications import published_names

        if not _is_stage(name) and name not in published_names():
            raise UnknownName("published network", name, published_names())
        return name

    def _file(self, reference: FileReference, kind: str, path: str | None = None) -> str:
        """Note a file that the pipeline reads, and return its path."""
        path = path or reference.path
        if path not in self.files:
            link = f"inputs/{kind}-{len(self.files)}{_SUFFIXES.get(kind, '')}"
            self.files[path] = InputFile(reference, path, link)
        return path


def _is_stage(text: str) -> bool:
    """Return whether a text such as `@profile` refers to a stage."""
    return text.startswith("@") and text[1:].strip() in STAGES
